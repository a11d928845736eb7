//! Exports a user's data as a zip of JSON files, in pages, so that the size of the account does not matter.
//!
//! Not a snapshot: concurrent changes may be included or not.

use std::time::Duration;

use serde_json::json;
use troupe_core::{
    ids::{ConversationId, DocumentId, PersonaId, ResponseId, UserId},
    jobs::{ExportAccount, Payload},
    model::audit::{By, On},
};
use troupe_db::{
    accounts::{
        account_jobs,
        exports::{self, Item},
    },
    operations::audit,
    personas::avatars,
};

use super::{EXPORT_ATTEMPTS, RETRY_BASE, RETRY_CAP, Steps, TIME_LIMIT, archive::Archive};
use crate::work::{Context, Job, JobError, Outcome, RetryPolicy, Settings};

/// Small, since rows may hold a message of 32 KiB each.
const PAGE: i64 = 100;
const EARLIER_PARTS: i64 = 100;

pub(crate) struct Export {
    /// The retention of the file.
    pub(crate) kept: Duration,
}

impl Job for Export {
    const KIND: &'static str = ExportAccount::KIND;
    type Payload = ExportAccount;

    fn settings(&self) -> Settings {
        Settings {
            weight: 1,
            concurrency: 1,
            retry: RetryPolicy::doubling(Some(EXPORT_ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: TIME_LIMIT,
            kept: self.kept,
            dead_letter_kept: Some(self.kept),
        }
    }

    /// Writes the file from scratch, without the parts of earlier attempts.
    async fn run(&self, ExportAccount {}: ExportAccount, context: &Context) -> Result<Outcome, JobError> {
        let Some(user) = context.user else { return Ok(Outcome::DONE) };
        while account_jobs::remove_earlier_parts(&context.pool, context.lease, EARLIER_PARTS).await? > 0 {}
        let mut file = File { context, user, archive: Archive::begin(context), steps: Steps::of(7) };
        file.account().await?;
        let personas = file.personas().await?;
        file.questions().await?;
        file.documents(&personas).await?;
        file.conversations().await?;
        file.memories().await?;
        file.audit().await?;
        let File { archive, steps, .. } = file;
        Box::pin(archive.finish()).await?;
        let mut transaction = context.begin(&steps.at).await?;
        let done = context.finish(&mut *transaction, Some(&json!({"items": steps.at.items}))).await?;
        let made = By::SYSTEM.does("account.exported").on(On::thing("export", context.lease.job).of(user));
        audit::append(&mut *transaction, &made).await?;
        transaction.commit().await?;
        Ok(done)
    }
}

/// The file in progress.
struct File<'a> {
    context: &'a Context,
    user: UserId,
    archive: Archive<'a>,
    steps: Steps,
}

impl File<'_> {
    async fn account(&mut self) -> Result<(), JobError> {
        self.steps.next("account");
        let account = exports::account(&self.context.pool, self.user).await?;
        self.archive.file("account.json")?;
        self.archive.write(account.ok_or(JobError::Lost)?).await?;
        self.wrote(1).await
    }

    /// The personas, and of each the owner's answers and the picture; returns the personas.
    async fn personas(&mut self) -> Result<Vec<Named>, JobError> {
        let (pool, user) = (self.context.pool.clone(), self.user);
        self.steps.next("personas");
        let page = |after: Option<Named>| exports::personas(&pool, user, after.map(|(id, _)| id), PAGE);
        let personas = self.list("personas.json", page).await?;
        for (persona, slug) in &personas {
            self.archive.file(&format!("answers/{slug}.json"))?;
            let page = |after: Option<ResponseId>| exports::answers(&pool, *persona, after, PAGE);
            let earlier = |answer: ResponseId, after| exports::versions(&pool, answer, after, PAGE);
            self.nested(page, "earlier", earlier).await?;
            if let Some(avatar) = avatars::of(&pool, *persona).await? {
                self.archive.file(&format!("avatars/{slug}.{}", extension(&avatar.content_type)))?;
                self.archive.write(avatar.bytes).await?;
            }
        }
        Ok(personas)
    }

    async fn questions(&mut self) -> Result<(), JobError> {
        let (pool, user) = (self.context.pool.clone(), self.user);
        self.steps.next("questions");
        self.list("questions.json", |after: Option<i64>| exports::questions(&pool, user, after, PAGE)).await?;
        Ok(())
    }

    /// Each persona's documents, and then the content of each: the upload or, where that is gone, its text.
    async fn documents(&mut self, personas: &[Named]) -> Result<(), JobError> {
        let pool = self.context.pool.clone();
        self.steps.next("documents");
        for (persona, slug) in personas {
            let page = |after: Option<DocumentId>| exports::documents(&pool, *persona, after, PAGE);
            for document in self.list(&format!("documents/{slug}.json"), page).await? {
                let Some(found) = exports::contents(&pool, document).await? else { continue };
                let extension = if found.original.is_some() { extension(&found.media_type) } else { "txt" };
                self.archive.file(&format!("documents/{slug}/{document}.{extension}"))?;
                let text = found.text.unwrap_or_default().into_bytes();
                self.archive.write(found.original.unwrap_or(text)).await?;
            }
        }
        Ok(())
    }

    async fn conversations(&mut self) -> Result<(), JobError> {
        let (pool, user) = (self.context.pool.clone(), self.user);
        self.steps.next("conversations");
        self.archive.file("conversations.json")?;
        let page = |after: Option<ConversationId>| exports::conversations(&pool, user, after, PAGE);
        let messages = |conversation: ConversationId, after| exports::messages(&pool, conversation, after, PAGE);
        self.nested(page, "messages", messages).await
    }

    async fn memories(&mut self) -> Result<(), JobError> {
        let (pool, user) = (self.context.pool.clone(), self.user);
        self.steps.next("memories");
        self.list("memories.json", |after| exports::memories(&pool, user, after, PAGE)).await?;
        Ok(())
    }

    async fn audit(&mut self) -> Result<(), JobError> {
        let (pool, user) = (self.context.pool.clone(), self.user);
        self.steps.next("audit");
        self.list("audit.json", |after| exports::audit(&pool, user, after, PAGE)).await?;
        Ok(())
    }

    /// Writes a file with a JSON array of all pages; returns the rows' cursors.
    async fn list<Id, F, P>(&mut self, file: &str, page: F) -> Result<Vec<Id>, JobError>
    where
        Id: Clone,
        F: Fn(Option<Id>) -> P,
        P: Future<Output = sqlx::Result<Vec<Item<Id>>>>,
    {
        self.archive.file(file)?;
        let mut ids = Vec::new();
        self.archive.write("[").await?;
        loop {
            let items = page(ids.last().cloned()).await?;
            self.archive.write(separated(&items, ids.is_empty())).await?;
            self.wrote(items.len()).await?;
            let more = items.len() as i64 == PAGE;
            ids.extend(items.into_iter().map(|item| item.id));
            if !more {
                self.archive.write("]\n").await?;
                return Ok(ids);
            }
        }
    }

    /// Writes an array of objects that contain arrays under a name.
    async fn nested<Id, F, P, Inner, G, Q>(&mut self, page: F, name: &str, inner: G) -> Result<(), JobError>
    where
        Id: Copy,
        F: Fn(Option<Id>) -> P,
        P: Future<Output = sqlx::Result<Vec<Item<Id>>>>,
        Inner: Copy,
        G: Fn(Id, Option<Inner>) -> Q,
        Q: Future<Output = sqlx::Result<Vec<Item<Inner>>>>,
    {
        self.archive.write("[").await?;
        let mut after = None;
        loop {
            let outer = page(after).await?;
            for item in &outer {
                let comma = if after.is_none() { "" } else { ",\n" };
                let opened = item.json.strip_suffix('}').unwrap_or(&item.json);
                self.archive.write(format!("{comma}{opened}, \"{name}\": [")).await?;
                self.pages(|last| inner(item.id, last)).await?;
                self.archive.write("]}").await?;
                after = Some(item.id);
            }
            self.wrote(outer.len()).await?;
            if (outer.len() as i64) < PAGE {
                return self.archive.write("]\n").await;
            }
        }
    }

    /// Writes all rows of the pages, separated by commas.
    async fn pages<Id, F, P>(&mut self, page: F) -> Result<(), JobError>
    where
        Id: Copy,
        F: Fn(Option<Id>) -> P,
        P: Future<Output = sqlx::Result<Vec<Item<Id>>>>,
    {
        let mut last = None;
        loop {
            let items = page(last).await?;
            self.archive.write(separated(&items, last.is_none())).await?;
            self.wrote(items.len()).await?;
            last = items.last().map(|item| item.id).or(last);
            if (items.len() as i64) < PAGE {
                return Ok(());
            }
        }
    }

    /// Reports the progress; an error where the lease is lost.
    async fn wrote(&mut self, items: usize) -> Result<(), JobError> {
        self.steps.at.items += items as i64;
        self.context.report(&self.steps.at).await
    }
}

/// A persona and its slug.
type Named = (PersonaId, String);

fn separated<Id>(items: &[Item<Id>], first: bool) -> String {
    let texts: Vec<_> = items.iter().map(|item| item.json.as_str()).collect();
    let comma = if first || items.is_empty() { "" } else { ",\n" };
    format!("{comma}{}", texts.join(",\n"))
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "pdf",
        "text/html" => "html",
        "text/markdown" => "md",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        _ => "txt",
    }
}
