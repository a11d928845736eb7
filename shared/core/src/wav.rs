//! Sound as WAV: PCM of 16 bits, mono. What services send is read leniently: where it is streamed, the lengths in its
//! header are not known yet.

use std::time::Duration;

const HEADER_BYTES: usize = 44;
const BYTES_PER_SAMPLE: u32 = 2;
const PCM: u16 = 1;
/// The format is in the extension of the header.
const EXTENSIBLE: u16 = 0xFFFE;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    pub sample_rate: u32,
    /// Little-endian.
    pub samples: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWav {
    #[error("it is no WAV file")]
    NoWav,
    #[error("it is no PCM of 16 bits")]
    OtherEncoding,
    #[error("it holds no sound")]
    Empty,
}

impl Wav {
    /// Several channels become one.
    pub fn parse(file: &[u8]) -> Result<Self, BadWav> {
        if file.get(..4) != Some(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
            return Err(BadWav::NoWav);
        }
        let mut rest = file.get(12..).unwrap_or_default();
        let mut format = None;
        while let Some((head, after)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let content = &after[..length.min(after.len())];
            match &head[..4] {
                b"fmt " => format = Some(Format::parse(content)?),
                b"data" => {
                    let Format { channels, sample_rate } = format.ok_or(BadWav::NoWav)?;
                    let samples = mixed(content, usize::from(channels));
                    return if samples.is_empty() { Err(BadWav::Empty) } else { Ok(Self { sample_rate, samples }) };
                }
                _ => {}
            }
            // Chunks begin at even offsets.
            rest = after.get(length.saturating_add(length % 2)..).unwrap_or_default();
        }
        Err(BadWav::Empty)
    }

    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.samples.len()).unwrap_or(u32::MAX - HEADER_BYTES as u32);
        let mut file = Vec::with_capacity(HEADER_BYTES + self.samples.len());
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(length + 36).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        file.extend_from_slice(&PCM.to_le_bytes());
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&self.sample_rate.to_le_bytes());
        file.extend_from_slice(&(self.sample_rate.saturating_mul(BYTES_PER_SAMPLE)).to_le_bytes());
        file.extend_from_slice(&2_u16.to_le_bytes());
        file.extend_from_slice(&16_u16.to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&self.samples);
        file
    }

    pub fn duration(&self) -> Duration {
        let samples = self.samples.len() as f64 / f64::from(BYTES_PER_SAMPLE);
        Duration::from_secs_f64(samples / f64::from(self.sample_rate.max(1)))
    }

    /// One after the other, without a gap, at the rate of the first.
    pub fn join(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next()?;
        for part in parts {
            whole.samples.extend_from_slice(&part.resampled(whole.sample_rate).samples);
        }
        Some(whole)
    }

    /// By linear interpolation: enough for speech, where another voice had to take over.
    fn resampled(self, sample_rate: u32) -> Self {
        if self.sample_rate == sample_rate || self.sample_rate == 0 {
            return self;
        }
        let (pairs, _) = self.samples.as_chunks::<2>();
        let samples: Vec<f64> = pairs.iter().map(|pair| f64::from(i16::from_le_bytes(*pair))).collect();
        let ratio = f64::from(self.sample_rate) / f64::from(sample_rate);
        let count = (samples.len() as f64 / ratio).round() as usize;
        let at = |number: usize| {
            let position = number as f64 * ratio;
            let before = (position as usize).min(samples.len().saturating_sub(1));
            let after = (before + 1).min(samples.len().saturating_sub(1));
            let share = position - before as f64;
            samples[before] + (samples[after] - samples[before]) * share.clamp(0.0, 1.0)
        };
        let samples = (0..count).flat_map(|number| (at(number).round() as i16).to_le_bytes()).collect();
        Self { sample_rate, samples }
    }
}

#[derive(Debug, Clone, Copy)]
struct Format {
    channels: u16,
    sample_rate: u32,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, BadWav> {
        let number = |at: usize| chunk.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        let rate = chunk.get(4..8).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let (Some(encoding), Some(channels), Some(bits)) = (number(0), number(2), number(14)) else {
            return Err(BadWav::NoWav);
        };
        let encoding = if encoding == EXTENSIBLE { number(24).unwrap_or(PCM) } else { encoding };
        match (encoding, channels, bits, rate) {
            (PCM, 1..=8, 16, Some(sample_rate @ 4_000..=192_000)) => Ok(Self { channels, sample_rate }),
            _ => Err(BadWav::OtherEncoding),
        }
    }
}

/// One channel: the average of all.
fn mixed(content: &[u8], channels: usize) -> Vec<u8> {
    let (samples, _) = content.as_chunks::<2>();
    if channels == 1 {
        return samples.as_flattened().to_vec();
    }
    let average = |frame: &[[u8; 2]]| {
        let sum: i32 = frame.iter().map(|sample| i32::from(i16::from_le_bytes(*sample))).sum();
        ((sum / frame.len() as i32) as i16).to_le_bytes()
    };
    samples.chunks_exact(channels).flat_map(average).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(sample_rate: u32, count: usize) -> Wav {
        Wav { sample_rate, samples: (0..count).flat_map(|n| ((n % 200) as i16 * 50).to_le_bytes()).collect() }
    }

    #[test]
    fn what_is_encoded_is_parsed_as_it_was() {
        let wav = tone(22_050, 2_205);
        assert_eq!(Wav::parse(&wav.encode()), Ok(wav.clone()));
        assert_eq!(wav.duration(), Duration::from_millis(100));
    }

    #[test]
    fn a_header_may_not_know_the_length_yet() {
        let wav = tone(24_000, 240);
        let mut streamed = wav.encode();
        streamed[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        streamed[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Wav::parse(&streamed), Ok(wav));
    }

    #[test]
    fn other_chunks_are_passed_over_and_channels_become_one() {
        let mut stereo = tone(8_000, 0).encode();
        stereo[22..24].copy_from_slice(&2_u16.to_le_bytes());
        stereo.truncate(36);
        stereo.extend_from_slice(b"LIST\x03\0\0\0abc\0data\x08\0\0\0");
        stereo.extend([100_i16, 200, -300, -100].iter().flat_map(|sample| sample.to_le_bytes()));
        let samples = [150_i16, -200].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(Wav::parse(&stereo), Ok(Wav { sample_rate: 8_000, samples }));
    }

    #[test]
    fn what_is_no_sound_is_refused_at_any_length() {
        let file = tone(22_050, 8).encode();
        for length in 0..HEADER_BYTES + 2 {
            assert!(Wav::parse(&file[..length]).is_err(), "{length} bytes");
        }
        let mut float = file.clone();
        float[20..22].copy_from_slice(&3_u16.to_le_bytes());
        assert_eq!(Wav::parse(&float), Err(BadWav::OtherEncoding));
        assert_eq!(Wav::parse(b"ID3\x04not a WAV file at all"), Err(BadWav::NoWav));
    }

    #[test]
    fn parts_are_joined_without_a_gap_at_one_rate() {
        let joined = Wav::join(vec![tone(22_050, 2_205), tone(44_100, 4_410)]).unwrap();
        assert_eq!((joined.sample_rate, joined.duration()), (22_050, Duration::from_millis(200)));
        assert_eq!(Wav::join(Vec::new()), None);
    }
}
