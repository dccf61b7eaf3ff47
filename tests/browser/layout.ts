/** Measures the layout of a page; runs in the page. */

/** What overflows, overlaps or is outside of its panel, one sentence each. */
export function layoutProblems(): string[] {
  const problems: string[] = [];
  const describe = (element: Element) => {
    const id = element.id ? `#${element.id}` : element.className ? `.${String(element.className)}` : "";
    const text = element.textContent?.trim().replace(/\s+/g, " ").slice(0, 20);
    return `${element.localName}${id} "${text}"`;
  };
  const isShown = (element: Element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    !element.closest(".unseen, svg, noscript");

  /** The part of a rectangle that the element's scrolling and clipping ancestors show. */
  const clip = (rect: DOMRect, element: Element): DOMRect | undefined => {
    let { left, top, right, bottom } = rect;
    for (let parent: Element | null = element; parent; parent = parent.parentElement) {
      if (getComputedStyle(parent).overflowX === "visible") continue;
      if (parent === document.documentElement || parent === document.body) break;
      const box = parent.getBoundingClientRect();
      left = Math.max(left, box.left);
      top = Math.max(top, box.top);
      right = Math.min(right, box.right);
      bottom = Math.min(bottom, box.bottom);
    }
    return right - left > 1 && bottom - top > 1
      ? new DOMRect(left, top, right - left, bottom - top)
      : undefined;
  };

  const root = document.documentElement;
  if (root.scrollWidth > innerWidth)
    problems.push(`the page is ${root.scrollWidth} px wide, of ${innerWidth}`);
  scrollTo(0, 0);
  const header = document.querySelector(".top")?.getBoundingClientRect();
  if (!header || header.top < 0) problems.push("the header is off the screen");

  const boxes: { readonly element: Element; readonly rect: DOMRect }[] = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (!isShown(element)) continue;
    const style = getComputedStyle(element);
    if (
      style.overflowX === "visible" &&
      style.display !== "inline" &&
      element.scrollWidth > element.clientWidth + 1
    )
      problems.push(`${describe(element)}: ${element.scrollWidth} px of content in ${element.clientWidth}`);
    const own = clip(element.getBoundingClientRect(), element);
    if (!own) continue;
    if (own.right > innerWidth + 1 || own.left < -1)
      problems.push(`${describe(element)} is outside of the window`);
    if (element.matches("button, a, input:not([type=radio]), label, .dial")) {
      boxes.push({ element, rect: own });
    }
    for (const node of element.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE || !node.textContent?.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const line of range.getClientRects()) {
        const rect = clip(line, element);
        if (rect) boxes.push({ element, rect });
      }
    }
  }

  for (const { element, rect } of boxes) {
    const frame = element.closest(".panel, .top")?.getBoundingClientRect();
    if (!frame) continue;
    const isInside =
      rect.left >= frame.left - 1 &&
      rect.right <= frame.right + 1 &&
      rect.top >= frame.top - 1 &&
      rect.bottom <= frame.bottom + 1;
    if (!isInside) problems.push(`${describe(element)} is outside of its panel`);
  }

  const panels = [...document.querySelectorAll(".panel, .top")]
    .filter(isShown)
    .map((element) => ({ element, rect: element.getBoundingClientRect() }));
  for (const all of [boxes, panels]) {
    all.forEach((one, i) => {
      for (const other of all.slice(i + 1)) {
        if (one.element === other.element) continue;
        if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
        // The line boxes of two texts may overlap by a part of their line height.
        const width = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
        const height = Math.min(one.rect.bottom, other.rect.bottom) - Math.max(one.rect.top, other.rect.top);
        if (width > 1 && height > 3)
          problems.push(`${describe(one.element)} overlaps ${describe(other.element)}`);
      }
    });
  }

  // A panel is as high as its content, unless its content scrolls.
  for (const panel of document.querySelectorAll(".panel.permissions, .panel.people")) {
    if (!isShown(panel)) continue;
    const last = panel.lastElementChild?.getBoundingClientRect();
    const box = panel.getBoundingClientRect();
    if (last && box.bottom - last.bottom > 40) problems.push(`${describe(panel)} has a void at its end`);
    const children = [...panel.children].filter(isShown).map((child) => child.getBoundingClientRect());
    children.forEach((child, i) => {
      const gap = (children[i + 1]?.top ?? child.bottom) - child.bottom;
      if (gap > 40) problems.push(`${describe(panel)} has a void of ${Math.round(gap)} px`);
    });
  }
  return [...new Set(problems)];
}

/** The controls that are smaller than a finger needs: 44 px in both directions. */
export function smallTargets(): string[] {
  return [...document.querySelectorAll("button, a, input:not([type=radio]), label:has(input)")]
    .filter((element) => element.checkVisibility() && !element.closest(".unseen"))
    .map((element) => ({ element, rect: element.getBoundingClientRect() }))
    .filter(({ rect }) => rect.width < 44 || rect.height < 44)
    .map(
      ({ element, rect }) =>
        `${element.localName} "${element.textContent?.trim()}": ${Math.round(rect.width)} x ${Math.round(rect.height)}`,
    );
}
