//! What scripts name, read once and known by its text as long as it is in use: tables, destinations. They may be made
//! from traffic, so only so many are kept.

/// Texts that are known at a time; a further one starts again.
const MOST: usize = 64;

/// What texts of scripts were read as.
#[derive(Debug)]
pub struct KnownTexts<T> {
    all: Vec<(Vec<u8>, T)>,
}

impl<T> Default for KnownTexts<T> {
    fn default() -> KnownTexts<T> {
        KnownTexts { all: Vec::new() }
    }
}

impl<T> KnownTexts<T> {
    /// What `text` was read as, or is now.
    pub fn get_or_read<E>(&mut self, text: &[u8], read: impl FnOnce(&str) -> Result<T, E>) -> Result<&T, E> {
        let position = match self.all.iter().position(|(known, _)| known == text) {
            Some(position) => position,
            None => {
                let value = read(&String::from_utf8_lossy(text))?;
                if self.all.len() == MOST {
                    self.all.clear();
                }
                self.all.push((text.to_vec(), value));
                self.all.len() - 1
            }
        };
        Ok(&self.all[position].1)
    }
}
