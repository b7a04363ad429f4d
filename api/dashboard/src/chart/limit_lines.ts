// Limits as coloured lines across a chart, each with its level and bound in words.

import type uPlot from "uplot";
import { boundText, withUnit } from "../format";
import { COLOURED, type Channel, LEVEL_KEYS, type Level } from "../model";
import { colour } from "../theme";
import { say } from "../words";

export interface LimitLine {
  readonly level: Level;
  readonly value: number;
  readonly direction: "high" | "low";
}

const LABEL_HEIGHT = 17;
const FONT = "12px system-ui, sans-serif";

/** Dashes tell the levels apart without colour: the worse, the more solid. */
const DASHES: Record<Level, number[]> = { 0: [], 1: [2, 4], 2: [5, 4], 3: [10, 4], 4: [] };

export function limitLinesOf(channel: Channel): LimitLine[] {
  return channel.limits.flatMap((limit) =>
    COLOURED.flatMap((level) => {
      const value = limit.bounds.get(level);
      return value === undefined ? [] : [{ level, value, direction: limit.direction }];
    }),
  );
}

export function lineText(line: LimitLine, unit: string): string {
  const sign = line.direction === "high" ? "≥" : "≤";
  return `${say().levels[LEVEL_KEYS[line.level]]} ${sign} ${withUnit(boundText(line.value), unit)}`;
}

export function drawLimits(plot: uPlot, lines: readonly LimitLine[], unit: string): void {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio;
  const { min, max } = plot.scales.y!;
  if (min == null || max == null) return;
  const inSight = lines.filter((line) => line.value >= min && line.value <= max);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = scaledFont(ratio);
  ctx.textBaseline = "middle";
  for (const line of inSight) drawLine(plot, line, ratio);
  const placed: number[] = [];
  for (const line of inSight) {
    const at = freePlace(plot.valToPos(line.value, "y", true), placed, ratio, bbox);
    placed.push(at);
    drawLabel(plot, lineText(line, unit), colour(`line-${LEVEL_KEYS[line.level]}`), at, ratio);
  }
  drawBeyond(plot, lines, unit, ratio);
  ctx.restore();
}

function scaledFont(ratio: number): string {
  return FONT.replace("12px", `${12 * ratio}px`);
}

function drawLine(plot: uPlot, line: LimitLine, ratio: number): void {
  const { ctx, bbox } = plot;
  const at = Math.round(plot.valToPos(line.value, "y", true)) + 0.5;
  ctx.strokeStyle = colour(`line-${LEVEL_KEYS[line.level]}`);
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash(DASHES[line.level].map((dash) => dash * ratio));
  ctx.beginPath();
  ctx.moveTo(bbox.left, at);
  ctx.lineTo(bbox.left + bbox.width, at);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Move a label off the ones already placed, upwards, as far as the chart goes. */
function freePlace(at: number, placed: readonly number[], ratio: number, bbox: uPlot.BBox): number {
  const height = LABEL_HEIGHT * ratio;
  let place = at;
  for (let tries = 0; tries <= placed.length; tries += 1) {
    const taken = placed.find((other) => Math.abs(other - place) < height);
    if (taken === undefined) break;
    place = taken - height;
  }
  return Math.max(bbox.top + height / 2, Math.min(bbox.top + bbox.height - height / 2, place));
}

function drawLabel(plot: uPlot, text: string, ink: string, at: number, ratio: number): void {
  const { ctx, bbox } = plot;
  const left = bbox.left + 8 * ratio;
  const width = ctx.measureText(text).width + 10 * ratio;
  const height = LABEL_HEIGHT * ratio;
  ctx.textAlign = "left";
  ctx.fillStyle = colour("panel");
  ctx.fillRect(left, at - height / 2, width, height);
  ctx.fillStyle = ink;
  ctx.fillRect(left, at - height / 2, 3 * ratio, height);
  ctx.fillStyle = colour("text");
  ctx.fillText(text, left + 7 * ratio, at);
}

/** Name at the upper or lower edge the nearest limit that the chart is too small to show. */
function drawBeyond(
  plot: uPlot,
  lines: readonly LimitLine[],
  unit: string,
  ratio: number,
): void {
  const { ctx, bbox } = plot;
  const { min, max } = plot.scales.y!;
  const above = lines.filter((line) => line.value > max!).sort((a, b) => a.value - b.value)[0];
  const below = lines.filter((line) => line.value < min!).sort((a, b) => b.value - a.value)[0];
  const inset = (LABEL_HEIGHT / 2 + 3) * ratio;
  const label = (text: string, at: number): void => {
    const width = ctx.measureText(text).width + 12 * ratio;
    const left = bbox.left + bbox.width - width - 4 * ratio;
    ctx.fillStyle = colour("panel");
    ctx.fillRect(left, at - (LABEL_HEIGHT / 2) * ratio, width, LABEL_HEIGHT * ratio);
    ctx.fillStyle = colour("text-quiet");
    ctx.fillText(text, left + 6 * ratio, at);
  };
  ctx.textAlign = "left";
  if (above) label(`↑ ${lineText(above, unit)}`, bbox.top + inset);
  if (below) label(`↓ ${lineText(below, unit)}`, bbox.top + bbox.height - inset);
}

/** Mark the instants at which alarms of the channel began, and reached their present level. */
export function drawAlarms(
  plot: uPlot,
  begun: readonly { readonly atS: number; readonly level: Level }[],
): void {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio;
  const { min, max } = plot.scales.x!;
  ctx.save();
  for (const { atS, level } of begun) {
    if (min == null || max == null || atS < min || atS > max) continue;
    const at = Math.round(plot.valToPos(atS, "x", true)) + 0.5;
    ctx.strokeStyle = colour(`line-${LEVEL_KEYS[level]}`);
    ctx.fillStyle = ctx.strokeStyle;
    ctx.lineWidth = ratio;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(at - 5 * ratio, bbox.top);
    ctx.lineTo(at + 5 * ratio, bbox.top);
    ctx.lineTo(at, bbox.top + 7 * ratio);
    ctx.fill();
  }
  ctx.restore();
}
