/** What the benchmark uses of autocannon, which has no types of its own. */
declare module "autocannon" {
  interface Request {
    readonly headers?: Record<string, string>;
    readonly body?: string;
  }

  interface Options {
    readonly url: string;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    readonly method: string;
    readonly requests: readonly { setupRequest(request: Request): Request }[];
  }

  interface Result {
    readonly "2xx": number;
    readonly non2xx: number;
    readonly duration: number;
    /** Milliseconds. */
    readonly latency: { readonly p99: number };
    readonly errors: number;
    readonly timeouts: number;
  }

  export default function autocannon(options: Options): Promise<Result>;
}
