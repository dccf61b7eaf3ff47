import { type Aggregator, collectDefaultMetrics, type Registry } from "prom-client";

/**
 * The default metrics of prom-client that are correct on Bun; the others are zero or wrong there. Each with its
 * aggregation over several processes. The limit of open files is one for each process, so the process nearest to it
 * counts. The latest start shows that a process was restarted.
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

/** Adds metrics of this process: CPU, memory, open files, start time. */
export function collectProcess(registry: Registry): void {
  // The event loop monitor can't be turned off; at this interval (milliseconds) it costs nothing.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const metric of registry.getMetricsAsArray()) {
    const aggregator = PROCESS.get(metric.name);
    if (aggregator) metric.aggregator = aggregator;
    else registry.removeSingleMetric(metric.name);
  }
}
