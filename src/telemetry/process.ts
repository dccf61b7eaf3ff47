import { type Aggregator, collectDefaultMetrics, type Registry } from "prom-client";

/**
 * What prom-client brings and what is true on Bun too; there it gives zeros and nonsense for the rest. Beside each what
 * becomes of it when there are several processes. Each has a limit of open files of its own, so what counts is the one
 * that is nearest to it; and the youngest one's start tells that one was started again.
 */
const PROCESS: ReadonlyMap<string, Aggregator> = new Map([
  ["process_cpu_user_seconds_total", "sum"],
  ["process_cpu_system_seconds_total", "sum"],
  ["process_cpu_seconds_total", "sum"],
  ["process_start_time_seconds", "max"],
  ["process_resident_memory_bytes", "sum"],
  ["process_open_fds", "max"],
  ["process_max_fds", "min"],
]);

/** Adds figures about this process. */
export function collectProcess(registry: Registry): void {
  // Its watch on the event loop can't be left out; at this pace it costs nothing.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const metric of registry.getMetricsAsArray()) {
    const aggregator = PROCESS.get(metric.name);
    if (aggregator) metric.aggregator = aggregator;
    else registry.removeSingleMetric(metric.name);
  }
}
