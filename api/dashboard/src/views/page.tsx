// The page as a whole: which view is shown, and what stands around every view.

import { useEffect } from "preact/hooks";
import { siteSummary, alarms, channels, line, newestRaised, session, structureOf } from "../store";
import { route } from "../route";
import { levelShown } from "../alarm_list";
import { LEVEL_KEYS } from "../model";
import { alarmName, inWords, say } from "../words";
import { AcknowledgeDialog } from "./acknowledge";
import { Alarms } from "./alarms";
import { Header, LostConnection } from "./header";
import { Overview } from "./overview";
import { SignIn } from "./sign_in";
import { StructureView } from "./structure";
import { isLoaded } from "../store";

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
      {isLoaded.value ? <View /> : <main class="loading" id="content">{say().signIn.loading}</main>}
      <AcknowledgeDialog />
      <Announcement />
    </div>
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
    case "structure":
      return <StructureView structure={shown.structure} channel={shown.channel} />;
    case "overview":
      return <Overview />;
  }
}

/** Says new alarms aloud to those who listen to the page. */
function Announcement() {
  const words = say();
  const raised = newestRaised.value;
  const current = raised && alarms.value.get(raised.occurrence);
  const structure = raised && structureOf(raised.structure);
  return (
    <div class="unseen" aria-live="assertive" data-testid="announcement">
      {current &&
        words.alarms.announce(
          words.levels[LEVEL_KEYS[levelShown(current)]],
          alarmName(current, channels.value.get(current.channel)),
          structure ? inWords(structure.name) : "",
        )}
    </div>
  );
}
