//! The lines that a pull shows on a terminal: one a layer, redrawn in place.
//!
//! The terminal moves the cursor up by as many lines as were drawn before, so a frame is a pure
//! function of what is known and of the height of the frame before it.

use super::size;

const BAR: usize = 24;
const DIGEST_DIGITS: usize = 12;

/// How far one layer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// `sha256:…`
    pub(crate) digest: String,
    /// Bytes that have arrived.
    pub(crate) done: u64,
    /// Bytes in all.
    pub(crate) total: u64,
}

/// The layers of a pull in the order in which they were first heard of.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    layers: Vec<Layer>,
    drawn: usize,
}

impl Progress {
    /// Takes in news of one layer.
    pub(crate) fn update(&mut self, news: Layer) {
        match self
            .layers
            .iter_mut()
            .find(|layer| layer.digest == news.digest)
        {
            Some(layer) => *layer = news,
            None => self.layers.push(news),
        }
    }

    /// The text that replaces the frame before it.
    pub(crate) fn frame(&mut self) -> String {
        let mut text = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        for layer in &self.layers {
            text.push_str(&line(layer));
            text.push_str("\x1b[K\n");
        }
        self.drawn = self.layers.len();
        text
    }
}

fn line(layer: &Layer) -> String {
    let digest = layer
        .digest
        .strip_prefix("sha256:")
        .unwrap_or(&layer.digest);
    let digest: String = digest.chars().take(DIGEST_DIGITS).collect();
    if layer.done >= layer.total {
        return format!("{digest}  done {}", size::human(layer.total));
    }
    // u128: a hostile manifest may claim any size.
    let filled = u128::from(layer.done) * BAR as u128 / u128::from(layer.total);
    let filled = usize::try_from(filled).unwrap_or(BAR);
    let bar = format!("{}{}", "=".repeat(filled), " ".repeat(BAR - filled));
    format!(
        "{digest}  [{bar}] {} of {}",
        size::human(layer.done),
        size::human(layer.total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(digit: &str, done: u64, total: u64) -> Layer {
        Layer {
            digest: format!("sha256:{}", digit.repeat(64)),
            done,
            total,
        }
    }

    #[test]
    fn a_layer_on_its_way_has_a_bar_and_a_finished_one_has_not() {
        assert_eq!(
            line(&layer("a", 500, 1000)),
            "aaaaaaaaaaaa  [============            ] 500B of 1.00kB"
        );
        assert_eq!(line(&layer("b", 7, 7)), "bbbbbbbbbbbb  done 7B");
        assert_eq!(line(&layer("c", 0, 0)), "cccccccccccc  done 0B");
    }

    #[test]
    fn a_frame_is_drawn_over_the_one_before() {
        let mut progress = Progress::default();
        progress.update(layer("a", 1, 2));
        assert!(progress.frame().starts_with("aaaa"));
        progress.update(layer("b", 1, 2));
        assert!(progress.frame().starts_with("\x1b[1Aaaaa"));
        progress.update(layer("a", 2, 2));
        let frame = progress.frame();
        assert!(frame.starts_with("\x1b[2Aaaaaaaaaaaaa  done"), "{frame:?}");
    }
}
