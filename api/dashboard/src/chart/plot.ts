// One uPlot chart of one channel: axes in the site's time, states by name, limits drawn over.

import uPlot from "uplot";
import { axisInstantText, numberText } from "../format";
import type { Channel, Level } from "../model";
import { language } from "../words";
import { colour } from "../theme";
import { drawAlarms, drawLimits, limitLinesOf } from "./limit_lines";
import { verticalRange } from "./scale";
import { drawGaps } from "./gaps";
import type { Series } from "./series";

export interface Under {
  readonly timeS: number;
  readonly value: number | null;
}

export interface PlotSettings {
  readonly host: HTMLElement;
  readonly channel: Channel;
  readonly timeZone: string;
  readonly isNarrow: boolean;
  /** Read anew at each drawing. */
  readonly allLimits: () => boolean;
  readonly alarmMarks: () => readonly { readonly atS: number; readonly level: Level }[];
  readonly pointed: (under: Under | null) => void;
  readonly zoomed: (fromS: number, toS: number) => void;
  readonly unzoomed: () => void;
}

export class ChannelPlot {
  private readonly plot: uPlot;
  private series: Series = { timeS: [], value: [] };

  constructor(private readonly settings: PlotSettings) {
    const { clientWidth, clientHeight } = settings.host;
    this.plot = new uPlot(
      { ...this.options(), width: clientWidth, height: clientHeight },
      [[], []],
      settings.host,
    );
    this.plot.over.addEventListener("dblclick", settings.unzoomed);
  }

  destroy(): void {
    this.plot.destroy();
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.settings.host;
    if (width > 0 && height > 0) this.plot.setSize({ width, height });
  }

  draw(series: Series, fromS: number, toS: number): void {
    this.series = series;
    this.plot.batch(() => {
      this.plot.setData([series.timeS, series.value], false);
      this.plot.setScale("x", { min: fromS, max: toS });
    });
  }

  private options(): Omit<uPlot.Options, "width" | "height"> {
    const { channel, timeZone, isNarrow } = this.settings;
    const grid = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: colour("text-quiet"), font: "12px system-ui, sans-serif", grid };
    return {
      tzDate: (timestamp) => uPlot.tzDate(new Date(timestamp * 1000), timeZone),
      padding: [10, 12, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false, dist: 8 },
        points: { size: 8 },
        y: false,
      },
      scales: { x: { time: true }, y: { range: (_, low, high) => this.range(low, high) } },
      axes: [
        {
          ...axis,
          ticks: { ...grid, size: 4 },
          size: 42,
          space: isNarrow ? 56 : 72,
          values: (_, instants, _axis, _space, stepS) =>
            instants.map((at) => axisInstantText(at * 1000, stepS)),
        },
        { ...axis, ticks: { show: false }, gap: 6, ...this.valueAxis(channel) },
      ],
      series: [
        {},
        {
          stroke: colour("trace"),
          width: 1.75,
          points: { show: false },
          spanGaps: false,
          ...(channel.states ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
        },
      ],
      hooks: {
        drawAxes: [(plot) => drawGaps(plot, this.series, this.settings.channel.periodS)],
        draw: [(plot) => this.drawOver(plot)],
        setCursor: [(plot) => this.point(plot)],
        setSelect: [(plot) => this.select(plot)],
      },
    };
  }

  private valueAxis(channel: Channel): Partial<uPlot.Axis> {
    const states = channel.states;
    if (states) {
      const numbers = [...states.keys()].sort((a, b) => a - b);
      return {
        splits: () => numbers,
        values: () => numbers.map((number) => states.get(number)!.name[language.value]),
        size: 84,
      };
    }
    return {
      values: (_, values, _axis, _space, step) => values.map((one) => numberText(one, step)),
      size: (_, values) => 18 + 7 * Math.max(3, ...(values ?? []).map((text) => text.length)),
    };
  }

  private range(low: number | null, high: number | null): [number, number] {
    const { channel, allLimits } = this.settings;
    if (channel.states) {
      const numbers = [...channel.states.keys()];
      return [Math.min(...numbers) - 0.3, Math.max(...numbers) + 0.3];
    }
    const extent: [number, number] | null = low === null || high === null ? null : [low, high];
    return verticalRange(extent, limitLinesOf(channel), channel.resolution, allLimits());
  }

  private drawOver(plot: uPlot): void {
    drawLimits(plot, limitLinesOf(this.settings.channel), this.settings.channel.unit);
    drawAlarms(plot, this.settings.alarmMarks());
  }

  private point(plot: uPlot): void {
    const at = plot.cursor.idx;
    const timeS = at == null ? undefined : this.series.timeS[at];
    if (at == null || timeS === undefined || (plot.cursor.left ?? -1) < 0) {
      this.settings.pointed(null);
      return;
    }
    this.settings.pointed({ timeS, value: this.series.value[at] ?? null });
  }

  private select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 8) return;
    const fromS = plot.posToVal(left, "x");
    const toS = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.settings.zoomed(fromS, toS);
  }
}

