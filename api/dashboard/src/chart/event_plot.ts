// When events happened and how large they were: a dot each, in the site's time.

import uPlot from "uplot";
import { type Happening, magnitudeOf } from "../events";
import { axisInstantText } from "../format";
import { colour } from "../theme";

export class EventPlot {
  private readonly plot: uPlot;

  constructor(
    private readonly host: HTMLElement,
    timeZone: string,
  ) {
    const grid = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: colour("text-quiet"), font: "12px system-ui, sans-serif", grid };
    this.plot = new uPlot(
      {
        width: host.clientWidth,
        height: host.clientHeight,
        tzDate: (timestamp) => uPlot.tzDate(new Date(timestamp * 1000), timeZone),
        padding: [10, 12, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true } },
        axes: [
          {
            ...axis,
            ticks: { ...grid, size: 4 },
            size: 42,
            values: (_, instants, _axis, _space, stepS) =>
              instants.map((at) => axisInstantText(at * 1000, stepS)),
          },
          { ...axis, ticks: { show: false }, gap: 6, size: 46 },
        ],
        series: [
          {},
          {
            paths: () => null,
            points: { show: true, size: 6, stroke: colour("trace"), fill: colour("trace") },
          },
        ],
      },
      [[], []],
      host,
    );
  }

  destroy(): void {
    this.plot.destroy();
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width > 0 && height > 0) this.plot.setSize({ width, height });
  }

  draw(events: readonly Happening[]): void {
    const sized = events
      .filter((one) => magnitudeOf(one) !== null)
      .sort((one, other) => one.atMs - other.atMs);
    this.plot.setData([
      sized.map((one) => one.atMs / 1000),
      sized.map((one) => magnitudeOf(one)),
    ]);
  }
}
