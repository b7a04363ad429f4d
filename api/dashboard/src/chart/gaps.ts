// Where there is no good reading a chart says so, instead of leaving the eye to guess.

import type uPlot from "uplot";
import { readNowMs } from "../clock";
import { colour } from "../theme";
import { gapsOf, type Series } from "./series";

const STRIPE = 7;

export function drawGaps(plot: uPlot, series: Series, periodS: number): void {
  const { ctx, bbox } = plot;
  const { min, max } = plot.scales.x!;
  if (min == null || max == null) return;
  const stripes = stripesOf(ctx);
  if (!stripes) return;
  ctx.save();
  ctx.fillStyle = stripes;
  for (const { fromS, toS } of gapsOf(series, readNowMs() / 1000, periodS)) {
    if (toS < min || fromS > max) continue;
    const left = plot.valToPos(Math.max(fromS, min), "x", true);
    const right = plot.valToPos(Math.min(toS, max), "x", true);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function stripesOf(ctx: CanvasRenderingContext2D): CanvasPattern | null {
  const ratio = window.devicePixelRatio;
  const side = Math.round(STRIPE * ratio);
  const tile = document.createElement("canvas");
  tile.width = side;
  tile.height = side;
  const pen = tile.getContext("2d");
  if (!pen) return null;
  pen.strokeStyle = colour("line");
  pen.lineWidth = ratio;
  pen.beginPath();
  pen.moveTo(0, side);
  pen.lineTo(side, 0);
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}
