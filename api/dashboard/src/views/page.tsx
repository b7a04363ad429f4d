// The page as a whole: which view is shown, and what stands around every view.

import { useEffect } from "preact/hooks";
import { isLoaded, line, session, siteSummary } from "../store";
import { route } from "../route";
import { waiting } from "../session";
import { say } from "../words";
import { AcknowledgeDialog } from "./acknowledge";
import { BackTests } from "./back_tests";
import { Announcement } from "./announcement";
import { Alarms } from "./alarms";
import { ForecastsView } from "./forecasts";
import { Header, LostConnection } from "./header";
import { LedgerView } from "./ledger";
import { Overview } from "./overview";
import { SignIn } from "./sign_in";
import { StructureView } from "./structure";

export function Page() {
  const { unacknowledged } = siteSummary.value;
  useEffect(() => {
    document.title = unacknowledged > 0 ? `(${unacknowledged}) Groundwatch` : "Groundwatch";
  }, [unacknowledged]);

  if (session.value === "signed_out") return <SignIn />;
  return (
    <div class={`page ${line.value.state}`}>
      <a class="skip" href="#content" onClick={focusContent}>
        {say().navigation.skip}
      </a>
      <Header />
      <LostConnection />
      {isLoaded.value ? <View /> : <Waiting />}
      <AcknowledgeDialog />
      <Announcement />
    </div>
  );
}

/** Says what is waited for; it is tried again by itself. */
function Waiting() {
  const words = say().signIn;
  const texts = {
    loading: words.loading,
    no_sites: words.noSites,
    unreachable: words.unreachable,
    failing: words.failing,
  };
  return (
    <main class="loading" id="content">
      <p role="status" data-testid="waiting">
        {texts[waiting.value]}
      </p>
    </main>
  );
}

/** The fragment of the address is the route, so a plain link would leave the view. */
function focusContent(event: MouseEvent): void {
  event.preventDefault();
  const content = document.getElementById("content");
  content?.setAttribute("tabindex", "-1");
  content?.focus();
}

function View() {
  const shown = route.value;
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [shown]);
  switch (shown.view) {
    case "alarms":
      return <Alarms />;
    case "forecasts":
      return <ForecastsView channel={shown.channel} />;
    case "ledger":
      return <LedgerView />;
    case "backtests":
      return <BackTests />;
    case "structure":
      return <StructureView structure={shown.structure} channel={shown.channel} />;
    case "overview":
      return <Overview />;
  }
}
