// What is the user's own: an export of it, and its deletion with the account.

import { call } from "../lib/api.js";
import { askFor, attempt, el } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { button, panel } from "./parts.js";

const POLL_MS = 1_000;

/** How far an export is. */
export function progressOf({ status, steps, steps_done: done }) {
  if (status === "failed" || status === "waiting" || status === "done") return t(`account.data.${status}`);
  return t("account.data.writing", { done, steps });
}

export function dataPanel() {
  const progress = el("p", { className: "quiet", role: "status" });

  async function follow({ id }) {
    for (;;) {
      const job = await call("GET", `/auth/me/exports/${id}`);
      progress.textContent = progressOf(job);
      if (job.status === "done") progress.append(" ", download(id));
      if (job.status === "done" || job.status === "failed" || !progress.isConnected) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  const start = button(t("account.data.export"), async () => {
    start.disabled = true;
    await attempt(async () => follow(await call("POST", "/auth/me/exports")));
    start.disabled = false;
  }, "button");
  return panel("data", start, progress);
}

const download = (id) => el("a", {
  className: "link", href: `/api/v1/auth/me/exports/${id}/content`, download: "troupe-export.zip", textContent: t("account.data.download"),
});

/** `closed` hears that the account is no more. */
export function leavePanel(closed) {
  const leave = async () => {
    const question = { title: t("account.leave.question"), text: t("account.leave.text"), yes: t("account.leave.yes") };
    const password = await askFor({ ...question, value: "", secret: true, danger: true });
    if (password) await attempt(async () => (await call("DELETE", "/auth/me", { body: { password } }), closed()));
  };
  return panel("leave", button(t("account.leave.button"), leave, "button danger"));
}
