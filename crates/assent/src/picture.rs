//! What a photo shows, whatever else is written in its file.

use assent_ledger::PictureOf;
use assent_vision::decode::{Decoded, picture_data};
use sha2::{Digest, Sha256};

/// Of a file and the picture that it was decoded to. Where nothing cheaper is defined it is the pixels as they are seen, and of a
/// picture that was not decoded at its full size the file.
pub(crate) fn picture_of(bytes: &[u8], decoded: &Decoded) -> PictureOf {
    let mut hash = Sha256::new();
    if picture_data(bytes, &mut |part| hash.update(part)) {
        return PictureOf { sha256: hash.finalize().into(), orientation: decoded.orientation.to_exif() };
    }
    let frame = &decoded.frame;
    let mut hash = Sha256::new();
    if (frame.width(), frame.height()) == decoded.size {
        hash.update(b"pixels");
        hash.update(frame.width().to_be_bytes());
        hash.update(frame.height().to_be_bytes());
        hash.update(frame.rgb());
    } else {
        hash.update(b"file");
        hash.update(bytes);
    }
    // These pixels are the stored ones, and upright.
    PictureOf { sha256: hash.finalize().into(), orientation: 1 }
}
