// The page's own pictures. Lines follow the colour of the text around them.

import type { ComponentChildren } from "preact";
import type { Level, StructureKind } from "./model";

function Lines({ children, size = 24 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

const KINDS: Record<StructureKind, ComponentChildren> = {
  // A dam with a raised crest, the pond behind it, the phreatic line falling through it.
  tailings_dam: (
    <>
      <path d="M2 20h20L13 7h-3v13" />
      <path d="M2 10.5c1.3-1 2.7-1 4 0s2.7 1 4 0" />
      <path d="M10 13c3 .5 5.5 2.5 8 6" stroke-dasharray="1.5 2.5" />
    </>
  ),
  // Benches of a high slope, and the slip surface behind them.
  slope: (
    <>
      <path d="M2 20h20" />
      <path d="M20 20v-3h-4v-4h-4V9H8V5H3" />
      <path d="M4.5 5c.5 6 4 11.5 10.5 15" stroke-dasharray="1.5 2.5" />
    </>
  ),
  // A heading in rock.
  underground: (
    <>
      <path d="M3 20h18" />
      <path d="M6.5 20v-7a5.5 5.5 0 0 1 11 0v7" />
      <path d="M3 8l2.5-3M9 3.500h3M18.5 5 21 8.5" />
      <path d="M10 20l1-5M14 20l-1-5" />
    </>
  ),
  // A main fan.
  ventilation: (
    <>
      <circle cx="12" cy="12" r="9.5" />
      <circle cx="12" cy="12" r="1.7" />
      <path d="M12 10.300c-2.5-2-2.2-5.3.6-6 1.5 2 1.2 4.5-.6 6zM13.5 12.900c3-1.1 5.7.9 4.9 3.7-2.5.3-4.5-1.3-4.9-3.700zM10.5 12.900c-.5 3.1-3.6 4.5-5.6 2.3 1-2.3 3.4-3.2 5.6-2.300z" />
    </>
  ),
};

export function KindIcon({ kind, size = 28 }: { kind: StructureKind; size?: number }) {
  return <Lines size={size}>{KINDS[kind]}</Lines>;
}

// A level has a shape of its own, for those who do not see its colour.
const SHAPES: Record<Level, ComponentChildren> = {
  0: <circle cx="8" cy="8" r="3" />,
  1: <circle cx="8" cy="8" r="6" />,
  2: <path d="M8 1.8 15 14H1z" />,
  3: <path d="M8 .8 15.2 8 8 15.2.8 8z" />,
  4: <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" />,
};

/** The shape of a level; hollow when what it stands for has returned to normal. */
export function LevelShape({ level, hollow = false }: { level: Level; hollow?: boolean }) {
  return (
    <svg
      class={`shape level-${level}${hollow ? " hollow" : ""}`}
      viewBox="0 0 16 16"
      width="14"
      height="14"
      aria-hidden="true"
    >
      {SHAPES[level]}
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <path d="M2 26 11 11l5 8 4-6 10 13z" fill="currentColor" />
      <path d="M16 4a8 8 0 0 1 8 8M16 0a12 12 0 0 1 12 12" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
    </svg>
  );
}

const PICTURES = {
  sun: (
    <>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 2.500v2.500M12 19v2.500M2.5 12H5M19 12h2.500M5.3 5.3 7 7M17 17l1.7 1.700M5.3 18.7 7 17M17 7l1.7-1.7" />
    </>
  ),
  moon: <path d="M20 14.500A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.500z" />,
  leave: <path d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9" />,
  bell: <path d="M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.500a2.2 2.2 0 0 0 4 0" />,
  grid: <path d="M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z" />,
  // An inverse velocity that falls to zero.
  forecast: <path d="M4 4v16h16M7 8l11 9M7 8h.01M11 11h.01M15 14.500h.01" />,
  wrench: (
    <path d="M14.5 6.500a4 4 0 0 1 5-3.800l-2.7 2.7.3 2 2 .3 2.6-2.600a4 4 0 0 1-5.2 4.900L8 18.500a2.1 2.1 0 0 1-3-3l8.5-8.5" />
  ),
  check: <path d="M5 12.5 10 17.5 19.5 7" />,
  back: <path d="M15 5l-7 7 7 7" />,
  forward: <path d="M9 5l7 7-7 7" />,
  close: <path d="M6 6l12 12M18 6 6 18" />,
  cut: <path d="M3 12h5M16 12h5M10 8l-2-3M14 8l2-3M10 16l-2 3M14 16l2 3" />,
} as const;

export function Picture({ of, size = 20 }: { of: keyof typeof PICTURES; size?: number }) {
  return <Lines size={size}>{PICTURES[of]}</Lines>;
}
