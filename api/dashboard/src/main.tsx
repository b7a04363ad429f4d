// The page begins here.
import { render } from "preact";

render(<p>Groundwatch</p>, document.getElementById("page")!);
