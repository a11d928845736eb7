//! Inspection of prompts: makes the prompt for a question that nobody has sent, and shows its sections.

use std::{sync::Arc, time::Duration};

use troupe_core::{
    clock::Clock,
    ids::PassageId,
    jobs::{InspectPrompt, Payload},
    token_estimate::estimate_tokens,
};
use troupe_db::{
    personas::inspection::{InspectedPrompt, PromptSection, Question, SectionKind, claim_unsent},
    replies::sources,
};

use super::{
    lore::Receipt,
    prompts::{Prompts, Sourced},
};
use crate::{
    providers::prompt::Section,
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// Whoever has asked waits for seconds.
const TIME_LIMIT: Duration = Duration::from_secs(15);
const KEPT: Duration = Duration::from_mins(1);

/// The kind of job. It is done at once: somebody looks at a page meanwhile.
pub(crate) struct PromptInspection {
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Job for PromptInspection {
    const KIND: &'static str = InspectPrompt::KIND;
    type Payload = InspectPrompt;

    fn settings(&self) -> Settings {
        Settings {
            weight: 8,
            concurrency: 4,
            retry: RetryPolicy::doubling(Some(1), KEPT, KEPT),
            time_limit: TIME_LIMIT,
            kept: KEPT,
            dead_letter_kept: Some(KEPT),
        }
    }

    async fn run(&self, asked: InspectPrompt, context: &Context) -> Result<Outcome, JobError> {
        let Some(user) = context.user else { return Ok(Outcome::DONE) };
        let InspectPrompt { persona_id: persona, conversation_id: conversation, question } = asked;
        let question = Question { user, persona, conversation, content: &question };
        let history = self.prompts.limits.history_messages;
        let Some(claimed) = claim_unsent(&context.pool, question, history, self.clock.now()).await? else {
            return Ok(Outcome::DONE);
        };
        let sourced = self.prompts.assemble(&claimed, Receipt::NotStored).await;
        let found = sourced.retrieved.iter().flat_map(|retrieved| &retrieved.passages);
        let found: Vec<_> = found.map(|ranked| ranked.passage.id).collect();
        let passages = sources::passages(&context.pool, persona, &found).await?;
        let title_of =
            |id: &PassageId| passages.iter().find(|passage| passage.id == *id).map(|found| found.title.clone());
        let titles = found.iter().map(title_of).collect();
        let shown = show(sourced, titles, claimed.history.len(), self.prompts.limits.prompt_tokens);
        Ok(Outcome::Done { result: Some(serde_json::to_value(shown).map_err(JobError::failed)?) })
    }
}

/// The sections as they are sent; `titles` are those of the passages.
fn show(sourced: Sourced, titles: Vec<Option<String>>, messages: usize, budget: usize) -> InspectedPrompt {
    let Sourced { assembly, retrieved, lore } = sourced;
    let mut passage_titles = titles.into_iter();
    let mut sections = Vec::new();
    let mut sent = 0;
    for section in assembly.into_sections() {
        let Section { kind, role, text } = section;
        sent += usize::from(matches!(kind, SectionKind::History | SectionKind::Question));
        for (kind, text) in pieces(kind, &text) {
            let title = if kind == SectionKind::Passage { passage_titles.next().flatten() } else { None };
            let tokens = estimate_tokens(text);
            sections.push(PromptSection { kind, role: role.into(), title, text: text.to_owned(), tokens });
        }
    }
    InspectedPrompt {
        total_tokens: sections.iter().map(|section| section.tokens).sum(),
        sections,
        budget,
        left_out: messages.saturating_sub(sent),
        lore: lore.receipt,
        retrieval: retrieved.map(|retrieved| retrieved.mode),
    }
}

/// Memories and passages are a line each, after what the model is told of them.
fn pieces(kind: SectionKind, text: &str) -> Vec<(SectionKind, &str)> {
    match kind {
        SectionKind::Memory | SectionKind::Passage => {
            let mut lines = text.lines();
            let heading = lines.next().map(|heading| (SectionKind::Note, heading));
            heading.into_iter().chain(lines.map(|line| (kind, line))).collect()
        }
        _ => vec![(kind, text)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_shown_one_by_one_and_other_sections_whole() {
        let block = "What you have said:\n- \"On the cape.\"\n- \"By the sea.\"";
        assert_eq!(
            pieces(SectionKind::Passage, block),
            [
                (SectionKind::Note, "What you have said:"),
                (SectionKind::Passage, "- \"On the cape.\""),
                (SectionKind::Passage, "- \"By the sea.\""),
            ]
        );
        assert_eq!(pieces(SectionKind::Persona, "You are\nAda."), [(SectionKind::Persona, "You are\nAda.")]);
    }
}
