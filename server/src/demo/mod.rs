//! What the all-in-one binary brings along: an account, and three personas of its with answers and a document each, so
//! that there is something to talk about on the first day.

pub(crate) mod account;

use sqlx::PgPool;
use troupe_core::{
    ids::{PersonaId, UserId},
    media_type::MediaType,
    model::{
        Visibility,
        audit::By,
        providers::{OverBudget, WhenCut},
    },
};
use troupe_db::{
    knowledge::documents::Shelf,
    personas::{self, Character, NewPersona},
};

use crate::{
    http::error::ApiError,
    interview::import_export::{
        Format,
        import::{self, Mode},
    },
    knowledge::add_document,
    personas::create,
};

/// The persona that every installation has, and that nobody owns at first.
const ADOPTED: &str = "demo";
const TEMPERATURE: f32 = 0.7;

struct DemoPersona {
    slug: &'static str,
    name: &'static str,
    description: &'static str,
    system_prompt: &'static str,
    languages: &'static [&'static str],
    /// As an interview is imported.
    answers: &'static str,
    document_title: &'static str,
    document: &'static str,
}

const PERSONAS: [DemoPersona; 3] = [
    DemoPersona {
        slug: ADOPTED,
        name: "Ada",
        description: "",
        system_prompt: "",
        languages: &["en"],
        answers: include_str!("personas/ada.json"),
        document_title: "From the log of Skerry Head",
        document: include_str!("personas/ada.md"),
    },
    DemoPersona {
        slug: "henrik",
        name: "Henrik",
        description: "Built bridges for thirty-eight years, and now restores clocks that others have given up.",
        system_prompt: "You are Henrik, a retired Danish bridge engineer of seventy-six who restores clocks in his shed in \
                        Aarhus. You are dry, exact and kind. You answer in a few short sentences, with an example from the \
                        workshop. If you do not know, you say so.",
        languages: &["en"],
        answers: include_str!("personas/henrik.json"),
        document_title: "The station clock of Viborg",
        document: include_str!("personas/henrik.md"),
    },
    DemoPersona {
        slug: "ines",
        name: "Ines",
        description: "Studies mosses in the cloud forest. Ask her in English oder auf Deutsch.",
        system_prompt: "You are Ines, a botanist who studies mosses in the cloud forest of Ecuador. You answer in the \
                        language in which you are asked, English or German. You are cheerful and precise. You answer in a \
                        few short sentences. If you do not know, you say so.",
        languages: &["en", "de"],
        answers: include_str!("personas/ines.json"),
        document_title: "Field notes, Reserva Río Zuñac",
        document: include_str!("personas/ines.md"),
    },
];

/// Gives the demo account its personas, once: what it deletes later stays deleted.
pub(crate) async fn ensure_personas(pool: &PgPool, owner: UserId) -> Result<(), ApiError> {
    let mut transaction = pool.begin().await?;
    if !personas::adopt(&mut *transaction, ADOPTED, owner).await? {
        return Ok(());
    }
    for persona in &PERSONAS {
        let DemoPersona { slug, answers, document_title, document, .. } = *persona;
        if slug != ADOPTED {
            let languages: Vec<_> = persona.languages.iter().map(|language| (*language).to_owned()).collect();
            create::create(&mut transaction, &By::OPERATOR, &persona.as_new(owner, &languages)).await?;
        }
        let mode = (Format::Json, Mode::AllOrNothing);
        import::import(&mut transaction, &By::OPERATOR, owner, slug, mode, answers.as_bytes()).await?;
        let examined = add_document::examine(document.into(), Some(MediaType::Markdown)).await?;
        let shelf = Shelf { owner, slug };
        add_document::add(&mut transaction, &By::OPERATOR, shelf, Some(document_title), &examined).await?;
    }
    transaction.commit().await?;
    tracing::info!("the demo account has its personas");
    Ok(())
}

impl DemoPersona {
    fn as_new<'a>(&'a self, owner: UserId, languages: &'a [String]) -> NewPersona<'a> {
        NewPersona {
            id: PersonaId::new(),
            owner,
            slug: self.slug,
            name: self.name,
            description: self.description,
            system_prompt: self.system_prompt,
            temperature: TEMPERATURE,
            model: None,
            chain: None,
            when_cut: WhenCut::Restart,
            over_budget: OverBudget::Fail,
            cache_replies: false,
            remembers: true,
            languages,
            visibility: Visibility::Public,
            character: Character::default(),
            from_card: false,
        }
    }
}
