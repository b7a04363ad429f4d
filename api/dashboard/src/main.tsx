// The page begins here.

import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/marks.css";
import "./styles/header.css";
import "./styles/overview.css";
import "./styles/alarms.css";
import "./styles/structure.css";
import "./styles/forecasts.css";
import "./styles/events.css";
import "./styles/votes.css";
import "./styles/back_tests.css";
import "./styles/ledger.css";
import { render } from "preact";
import { startTicking } from "./clock";
import { begin, startAskingForSites, takeCode } from "./session";
import { Page } from "./views/page";

const code = takeCode(); // Before anything else: a code in the address is a secret.
render(<Page />, document.getElementById("page")!);
startTicking();
startAskingForSites();
void begin(code);
