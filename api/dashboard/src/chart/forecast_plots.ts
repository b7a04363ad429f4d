// The two plots of a forecast: inverse velocity with line and interval, and how the time has moved.

import uPlot from "uplot";
import { axisInstantText, momentText, numberText } from "../format";
import { colour } from "../theme";
import { type InverseSeries, instantMarks, type MovesSeries } from "./forecast_series";

/** A vertical line at an instant; dashes tell it from the others. */
export interface Mark {
  readonly atS: number;
  readonly dash: readonly number[];
}

export interface InversePicture {
  readonly series: InverseSeries;
  readonly interval: readonly [number, number] | null; // In seconds.
  readonly marks: readonly Mark[];
}

const FONT = "12px system-ui, sans-serif";
const BAND_OPACITY = 0.16;
export const ASKED_DASH = [2, 4];
const LINE_DASH = [7, 5];

export function inversePlot(
  host: HTMLElement,
  picture: InversePicture,
  timeZone: string,
): uPlot {
  const { series } = picture;
  const points = { show: true, size: 9, width: 2, stroke: colour("trace") };
  return new uPlot(
    {
      ...common(host, timeZone),
      scales: {
        x: { time: true, range: [series.fromS, series.toS] },
        y: { range: [0, (series.top || 1) * 1.08] },
      },
      axes: [timeAxis(host), { ...axis(), ...numberAxis }],
      series: [
        {},
        { stroke: colour("trace"), width: 1.75, dash: LINE_DASH, points: { show: false }, spanGaps: true },
        { ...noLine, points: { ...points, fill: colour("trace") } },
        { ...noLine, points: { ...points, fill: colour("panel") } },
      ],
      hooks: {
        drawAxes: [(plot) => drawInterval(plot, picture.interval)],
        draw: [(plot) => picture.marks.forEach((mark) => drawMark(plot, mark))],
      },
    },
    [series.timeS, series.line, series.usable, series.noise],
    host,
  );
}

export function movesPlot(host: HTMLElement, moves: MovesSeries, timeZone: string): uPlot {
  const [low, high] = moves.y;
  const marks = instantMarks(low, high, Math.max(2, host.clientHeight / 44), aheadS(low, timeZone));
  const isSparse = moves.askedS.length <= 60;
  return new uPlot(
    {
      ...common(host, timeZone),
      scales: {
        x: { time: true, range: [moves.x[0], moves.x[1]] },
        y: { time: false, range: [low, high] },
      },
      axes: [
        timeAxis(host),
        {
          ...axis(),
          ...labelled,
          splits: () => marks,
          values: (_, instants) => instants.map((at) => momentText(at * 1000)),
        },
      ],
      series: [
        {},
        {
          stroke: colour("trace"),
          width: 1.75,
          points: { show: isSparse, size: 6, fill: colour("trace") },
        },
      ],
      hooks: {
        drawAxes: [(plot) => drawWhiskers(plot, moves), drawPresent],
      },
    },
    [moves.askedS, moves.failsS],
    host,
  );
}

const noLine = { stroke: "transparent", width: 0 };

const widest = (_: uPlot, values: readonly string[] | null): number =>
  18 + 7 * Math.max(3, ...(values ?? []).map((text) => text.length));

const numberAxis: Partial<uPlot.Axis> = {
  values: (_, values, _axis, _space, step) => values.map((one) => numberText(one, step)),
  size: widest,
};

const labelled: Partial<uPlot.Axis> = { size: widest };

function common(
  host: HTMLElement,
  timeZone: string,
): Pick<uPlot.Options, "width" | "height" | "tzDate" | "padding" | "legend" | "cursor"> {
  return {
    width: host.clientWidth,
    height: host.clientHeight,
    tzDate: (timestamp) => uPlot.tzDate(new Date(timestamp * 1000), timeZone),
    padding: [10, 14, 0, 0],
    legend: { show: false },
    cursor: { show: false },
  };
}

function axis(): Partial<uPlot.Axis> {
  const grid = { stroke: colour("grid"), width: 1 };
  return { stroke: colour("text-quiet"), font: FONT, grid, ticks: { show: false }, gap: 6 };
}

function timeAxis(host: HTMLElement): uPlot.Axis {
  return {
    ...axis(),
    size: 42,
    space: host.clientWidth < 520 ? 56 : 72,
    values: (_, instants, _axis, _space, stepS) =>
      instants.map((at) => axisInstantText(at * 1000, stepS)),
  };
}

/** How far a place's clocks are ahead of UTC. */
function aheadS(atS: number, timeZone: string): number {
  const wholeS = Math.floor(atS / 60) * 60;
  const there = uPlot.tzDate(new Date(wholeS * 1000), timeZone);
  const shown = Date.UTC(
    there.getFullYear(),
    there.getMonth(),
    there.getDate(),
    there.getHours(),
    there.getMinutes(),
  );
  return shown / 1000 - wholeS;
}

function drawInterval(plot: uPlot, interval: readonly [number, number] | null): void {
  if (interval === null) return;
  const [left, right] = interval.map((at) => plot.valToPos(at, "x", true)) as [number, number];
  within(plot, (ctx) => {
    ctx.globalAlpha = BAND_OPACITY;
    ctx.fillStyle = colour("text");
    ctx.fillRect(left, plot.bbox.top, Math.max(2, right - left), plot.bbox.height);
  });
}

function drawMark(plot: uPlot, { atS, dash }: Mark): void {
  const ratio = window.devicePixelRatio;
  const at = Math.round(plot.valToPos(atS, "x", true)) + 0.5;
  within(plot, (ctx) => {
    ctx.strokeStyle = colour("text");
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash(dash.map((part) => part * ratio));
    ctx.beginPath();
    ctx.moveTo(at, plot.bbox.top);
    ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
    ctx.stroke();
  });
}

/** The interval of each answer; close together they are a band. */
function drawWhiskers(plot: uPlot, { whiskers, askedS }: MovesSeries): void {
  const room = plot.bbox.width / Math.max(1, askedS.length);
  const width = Math.max(1, Math.min(room, 12 * window.devicePixelRatio));
  within(plot, (ctx) => {
    ctx.globalAlpha = BAND_OPACITY * 1.6;
    ctx.fillStyle = colour("text");
    for (const [askedAt, fromS, toS] of whiskers) {
      const x = plot.valToPos(askedAt, "x", true);
      const top = plot.valToPos(toS, "y", true);
      ctx.fillRect(x - width / 2, top, width, plot.valToPos(fromS, "y", true) - top);
    }
  });
}

/** Where what is expected is the present: a forecast that comes down to it has come true. */
function drawPresent(plot: uPlot): void {
  const { min, max } = plot.scales.x!;
  if (min == null || max == null) return;
  const ratio = window.devicePixelRatio;
  within(plot, (ctx) => {
    ctx.strokeStyle = colour("text-quiet");
    ctx.lineWidth = ratio;
    ctx.setLineDash(ASKED_DASH.map((part) => part * ratio));
    ctx.beginPath();
    for (const at of [min, max]) {
      ctx.lineTo(plot.valToPos(at, "x", true), plot.valToPos(at, "y", true));
    }
    ctx.stroke();
  });
}

/** Draw inside the plot's frame, and leave the brush as it was. */
function within(plot: uPlot, draw: (ctx: CanvasRenderingContext2D) => void): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx);
  ctx.restore();
}
