// The page on which a studio begins.
import { begin } from "./studio.js";

begin([]);
