// The page of the chat, by what its users name things, or by what the page itself calls them where that is in many languages.

import assert from "node:assert/strict";

import { eventually } from "./waiting.mjs";

export class Chat {
  constructor(page, device) {
    Object.assign(this, { page, device });
    this.thread = page.getByRole("log");
    this.composer = page.locator("#composer").getByRole("textbox");
    this.queue = page.locator("#queue");
    this.side = page.getByRole("complementary");
    this.main = page.getByRole("main");
  }

  /** The conversation that is open, by its address. */
  get conversationId() {
    return new URL(this.page.url()).hash.split("/")[2];
  }

  questions = () => this.thread.locator("article.ask");
  replies = () => this.thread.locator("article.reply");
  lastQuestion = () => this.questions().last();
  lastReply = () => this.replies().last();

  /** Waits until the connection stands: from then on events come. */
  async live() {
    await this.page.locator("#live").getByText(/^Live/).waitFor();
  }

  async send(text) {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** Sends, and waits for the whole of the reply. */
  async ask(text, reply) {
    await this.send(text);
    await this.replied(reply ?? `You said: ${text}`);
  }

  /** Waits until the last reply is whole and contains this. */
  async replied(text) {
    await this.thread.locator("article.reply:not(.writing)").last().filter({ hasText: text }).waitFor();
  }

  /** Waits until these, and no others, are the questions (or replies) on the path, from the first to the last. */
  async shows(rows, texts, what = "what is shown") {
    await eventually(`${what} is ${JSON.stringify(texts)}`, async () => {
      assert.deepEqual((await rows.locator(".text:visible").allInnerTexts()).map((text) => text.trim()), texts);
    });
  }

  async openMenu(button, item) {
    await button.click();
    await this.page.getByRole("menuitem", { name: item }).click();
  }

  /** A tool below a message: they come into sight with the pointer on it, or the focus in it. */
  async tool(row, name) {
    await row.hover();
    await row.getByRole("button", { name, exact: true }).click();
  }
}
