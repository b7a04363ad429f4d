// A channel's line, loaded from history and continued by every reading that arrives.

import { effect, signal } from "@preact/signals";
import * as api from "../api";
import { readNowMs } from "../clock";
import type { Channel } from "../model";
import { latestOfChannel, resumptions, siteKey } from "../store";
import { append, joinTail, type Series, seriesOf, trim } from "./series";

export type Loading = "loading" | "ready" | "failed";

export class LiveSeries {
  series: Series = { timeS: [], value: [] };
  readonly loading = signal<Loading>("loading");
  /** Counts changes of `series`, which is changed in place. */
  readonly version = signal(0);

  private stretch: api.Stretch | null = null;
  private request = 0;
  private readonly stops: (() => void)[];

  /** Follows the present over `spanS` until another stretch is asked for. */
  constructor(
    private readonly channel: Channel,
    private spanS: number,
    private readonly points: number,
  ) {
    this.stops = [
      effect(() => {
        // Runs at once, and again whenever the live line has begun anew.
        void resumptions.value;
        void this.load();
      }),
      effect(() => {
        const row = latestOfChannel(channel.channel).value;
        if (row && this.stretch === null && append(this.series, row, channel.periodS)) {
          trim(this.series, readNowMs() / 1000 - this.spanS * 1.1);
          this.version.value = this.version.peek() + 1;
        }
      }),
    ];
  }

  end(): void {
    this.request = -1;
    for (const stop of this.stops) stop();
  }

  /** Follow the present, showing this much of the past. */
  follow(spanS: number): void {
    this.spanS = spanS;
    this.stretch = null;
    void this.load();
  }

  /** Show a stretch of the past, which no new reading changes. */
  show(stretch: api.Stretch): void {
    this.stretch = stretch;
    void this.load();
  }

  async load(): Promise<void> {
    const site = siteKey.peek();
    if (site === null || this.request < 0) return;
    this.request += 1;
    const request = this.request;
    const following = this.stretch === null;
    const nowMs = readNowMs();
    const stretch = this.stretch ?? { fromMs: nowMs - this.spanS * 1000, toMs: nowMs + 60_000 };
    this.loading.value = "loading";
    try {
      const history = await api.history(site, this.channel.channel, stretch, this.points);
      if (request !== this.request) return;
      // A bucket gives its minimum and its maximum, so there are half as many buckets as points.
      const bucketS = ((stretch.toMs - stretch.fromMs) / 1000 / this.points) * 2;
      const loaded = seriesOf(history, this.channel.periodS, bucketS);
      if (following) joinTail(loaded, this.series);
      this.series = loaded;
      this.loading.value = "ready";
    } catch {
      if (request !== this.request) return;
      this.loading.value = "failed";
    }
    this.version.value = this.version.peek() + 1;
  }
}
