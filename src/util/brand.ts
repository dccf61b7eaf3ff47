declare const brand: unique symbol;

/** A `T` that only its own parser returns. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
