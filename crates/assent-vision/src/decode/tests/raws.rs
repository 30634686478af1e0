//! RAW files: their preview is found, turned once, and large enough.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::super::segments::Walk;
use super::super::tiff::tag;
use super::super::{DecodeLimits, decode_at_least, format, jpeg, raw};
use super::writers::{TiffFile, Value, boxed, frame_at, with_exif};
use super::{decoded, encoded, picture, refused, shows};
use crate::geometry::Orientation;
use image::{DynamicImage, ImageFormat};

/// What the preview shows.
fn scene() -> DynamicImage {
    picture(900, 600)
}

fn preview() -> &'static [u8] {
    static PREVIEW: OnceLock<Vec<u8>> = OnceLock::new();
    PREVIEW.get_or_init(|| encoded(&scene(), ImageFormat::Jpeg))
}

fn thumbnail() -> &'static [u8] {
    static THUMBNAIL: OnceLock<Vec<u8>> = OnceLock::new();
    THUMBNAIL.get_or_init(|| encoded(&picture(160, 120), ImageFormat::Jpeg))
}

/// What the sensor saw, as some cameras keep it: a lossless JPEG that is larger than every preview.
fn sensor() -> Vec<u8> {
    let mut bytes = encoded(&picture(1200, 800), ImageFormat::Jpeg);
    let at = frame_at(&bytes);
    (bytes[at], bytes[at + 3]) = (0xC3, 14);
    bytes
}

type Entries<'a> = Vec<(u16, Value<'a>)>;

/// A JPEG named by the two tags that are made for it.
fn by_tags(jpeg: &[u8]) -> Entries<'_> {
    vec![(tag::JPEG_OFFSET, Value::At(jpeg)), (tag::JPEG_BYTES, Value::Longs(vec![jpeg.len() as u32]))]
}

/// A picture in one strip.
fn by_strip(data: &[u8], compression: u16, photometric: u16) -> Entries<'_> {
    vec![
        (tag::COMPRESSION, Value::Short(compression)),
        (tag::PHOTOMETRIC, Value::Short(photometric)),
        (tag::STRIP_OFFSETS, Value::At(data)),
        (tag::STRIP_BYTES, Value::Longs(vec![data.len() as u32])),
    ]
}

const SENSOR: u16 = 32803;

fn turned(orientation: u16) -> (u16, Value<'static>) {
    (tag::ORIENTATION, Value::Short(orientation))
}

fn together(parts: Vec<Entries<'_>>) -> Entries<'_> {
    parts.into_iter().flatten().collect()
}

fn cr2(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let first = together(vec![by_strip(jpeg, 6, 6), vec![turned(orientation)]]);
    let chain = vec![first, by_tags(thumbnail()), vec![], by_strip_of_sensor()];
    TiffFile::write(b"II*\0\0\0\0\0CR\x02\0\0\0\0\0", 4, false, chain)
}

fn by_strip_of_sensor() -> Entries<'static> {
    static SENSOR_DATA: OnceLock<Vec<u8>> = OnceLock::new();
    by_strip(SENSOR_DATA.get_or_init(sensor), 6, SENSOR)
}

fn nef(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let parts = Value::Directories(vec![by_tags(jpeg), by_strip(&[0; 999], 34713, SENSOR)]);
    let first = together(vec![by_strip(&[0; 300], 1, 2), vec![turned(orientation), (tag::SUB_IFDS, parts)]]);
    TiffFile::write(b"MM\0*\0\0\0\0", 4, true, vec![first])
}

fn arw(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let parts = Value::Directories(vec![by_strip(&[0; 999], 32767, SENSOR)]);
    let first = together(vec![by_tags(jpeg), vec![turned(orientation), (tag::SUB_IFDS, parts)]]);
    TiffFile::write(b"II*\0\0\0\0\0", 4, false, vec![first, by_tags(thumbnail())])
}

fn dng(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let sensor = sensor();
    let parts =
        Value::Directories(vec![by_strip(&sensor, 7, SENSOR), by_strip(thumbnail(), 7, 6), by_strip(jpeg, 7, 6)]);
    let version = (tag::DNG_VERSION, Value::Bytes(&[1, 4, 0, 0]));
    let first = vec![turned(orientation), (tag::SUB_IFDS, parts), version];
    TiffFile::write(b"MM\0*\0\0\0\0", 4, true, vec![first])
}

fn pef(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let first = together(vec![by_strip(&[0; 999], 65535, SENSOR), vec![turned(orientation)]]);
    TiffFile::write(b"MM\0*\0\0\0\0", 4, true, vec![first, by_tags(thumbnail()), by_tags(jpeg)])
}

fn orf_with(head: &[u8], jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let settings = vec![(0x0101, Value::At(jpeg)), (0x0102, Value::Longs(vec![jpeg.len() as u32]))];
    // The note has no place for the first directory: it follows its head. So the head gets four bytes more here, and the
    // directory is copied behind it.
    let mut note = TiffFile::write(
        &[head, &[0; 22]].concat(),
        head.len(),
        false,
        vec![vec![(0x2020, Value::Directories(vec![settings]))]],
    );
    let first = note[head.len()..head.len() + 4].try_into().map(u32::from_le_bytes).unwrap() as usize;
    let directory = note[first..first + 18].to_vec();
    note[head.len()..head.len() + 18].copy_from_slice(&directory);
    let exif = Value::Directories(vec![vec![(tag::MAKER_NOTE, Value::Bytes(&note))]]);
    let first = together(vec![by_strip(&[0; 999], 1, SENSOR), vec![turned(orientation), (tag::EXIF_IFD, exif)]]);
    TiffFile::write(b"IIRO\0\0\0\0", 4, false, vec![first])
}

fn orf(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    orf_with(b"OLYMPUS\0II\x03\0", jpeg, orientation)
}

fn orf_of_today(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    orf_with(b"OM SYSTEM\0\0\0II\x04\0", jpeg, orientation)
}

fn rw2(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let first = vec![turned(orientation), (tag::PANASONIC_JPEG, Value::Bytes(jpeg))];
    TiffFile::write(b"IIU\0\0\0\0\0", 4, false, vec![first])
}

/// A RAF says the orientation in its JPEG alone.
fn raf(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let jpeg = with_exif(jpeg.to_vec(), orientation as u8);
    let mut bytes = b"FUJIFILMCCD-RAW 0201FF383501X-T5".to_vec();
    bytes.resize(160, 0);
    bytes[84..88].copy_from_slice(&160u32.to_be_bytes());
    bytes[88..92].copy_from_slice(&(jpeg.len() as u32).to_be_bytes());
    [bytes, jpeg, vec![0; 999]].concat()
}

fn cr3_of(full: &[u8], small: &[u8], orientation: u16) -> Vec<u8> {
    let uuid = |id: u128, content: &[u8]| boxed(*b"uuid", &[&id.to_be_bytes()[..], content].concat());
    let about = TiffFile::write(b"II*\0\0\0\0\0", 4, false, vec![vec![turned(orientation)]]);
    let about = uuid(0x85c0_b687_820f_11e0_8111_f4ce_462b_6a48, &boxed(*b"CMT1", &about));
    let track = |place: u64| {
        let sizes = boxed(*b"stsz", &[0u32, full.len() as u32, 1].map(u32::to_be_bytes).concat());
        let places = boxed(*b"co64", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &place.to_be_bytes()].concat());
        let table = boxed(*b"stbl", &[sizes, places].concat());
        boxed(*b"trak", &boxed(*b"mdia", &boxed(*b"minf", &table)))
    };
    let head = [&[0; 8][..], &(small.len() as u32).to_be_bytes()].concat();
    let shown = boxed(*b"PRVW", &[&[0; 4][..], &head, small].concat());
    let shown = uuid(0xeaf4_2b5e_1c98_4b88_b9fb_b7dc_406e_4d16, &[&[0; 8][..], &shown].concat());
    let all = |place: u64| {
        let moov = boxed(*b"moov", &[about.clone(), track(place)].concat());
        [boxed(*b"ftyp", b"crx \0\0\0\x01crx isom"), moov, shown.clone(), b"\0\0\0\0mdat".to_vec()].concat()
    };
    let place = all(0).len() as u64;
    [all(place), full.to_vec()].concat()
}

fn cr3(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    cr3_of(jpeg, thumbnail(), orientation)
}

fn cr3_by_its_small_preview(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    cr3_of(&[0; 999], jpeg, orientation)
}

type Maker = fn(&[u8], u16) -> Vec<u8>;

const MAKERS: [(&str, Maker); 11] = [
    ("CR2", cr2),
    ("NEF", nef),
    ("ARW", arw),
    ("DNG", dng),
    ("PEF", pef),
    ("ORF", orf),
    ("ORF of OM System", orf_of_today),
    ("RW2", rw2),
    ("RAF", raf),
    ("CR3", cr3),
    ("CR3, the small preview", cr3_by_its_small_preview),
];

#[test]
fn the_largest_preview_is_the_photo() {
    for (name, make) in MAKERS {
        let file = make(preview(), 1);
        shows(name, &file, &scene(), 24);
        let decoded = decode_at_least(&file, DecodeLimits::default(), 400).unwrap();
        assert_eq!((decoded.frame.width(), decoded.size), (450, (900, 600)), "{name}");
    }
}

#[test]
fn a_preview_is_turned_once() {
    let upright = decoded(preview()).unwrap().frame;
    for (name, make) in MAKERS {
        for orientation in 1..=8 {
            // The preview says so, too; and the RAW file is right where they differ.
            for own in [orientation, 6] {
                let jpeg = if name == "RAF" { preview().to_vec() } else { with_exif(preview().to_vec(), own) };
                let decoded = decoded(&make(&jpeg, u16::from(orientation))).unwrap();
                let expected = upright.clone().oriented(Orientation::from_exif(orientation).unwrap());
                assert!(decoded.frame == expected, "{name}, {orientation} and {own}");
                assert_eq!(decoded.size, (expected.width(), expected.height()), "{name}");
            }
        }
    }
    let silent = TiffFile::write(
        b"IIU\0\0\0\0\0",
        4,
        false,
        vec![vec![(tag::PANASONIC_JPEG, Value::Bytes(&with_exif(preview().to_vec(), 6)))]],
    );
    assert_eq!(decoded(&silent).unwrap().size, (600, 900), "the preview alone says it");
}

#[test]
fn raw_files_without_a_fit_preview_are_refused_by_name() {
    for (name, make) in MAKERS {
        refused(&format!("{name} with a thumbnail"), &make(thumbnail(), 1), "raw-preview-too-small");
        if !name.contains("small preview") {
            let whole = make(preview(), 1);
            let cut = whole.windows(preview().len()).position(|w| w == preview());
            // A RAF's preview begins with the EXIF data.
            let cut = cut.unwrap_or(200) + 50;
            assert!(decoded(&whole[..cut]).is_err(), "{name}, cut off");
        }
    }
    let sensor_alone = TiffFile::write(b"II*\0\0\0\0\0", 4, false, vec![by_strip_of_sensor()]);
    refused("sensor data alone", &sensor_alone, "raw-without-preview");
    refused("a RAF of its first bytes", b"FUJIFILMCCD-RAW 0201", "raw-without-preview");
    refused("a CR3 of its first box", &boxed(*b"ftyp", b"crx \0\0\0\x01crx isom"), "raw-without-preview");
    refused("an ORF of its first bytes", b"IIRO\x08\0\0\0", "raw-without-preview");
    let whole = raf(preview(), 1);
    refused("a RAF that was cut off", &whole[..whole.len() - 1200], "damaged");
    let error = decode_at_least(&arw(thumbnail(), 1), DecodeLimits::default(), u32::MAX).unwrap_err();
    assert!(error.to_string().contains("160 x 120 pixels, 800 on the longer side are needed"), "{error}");
}

#[test]
fn a_tiff_with_a_thumbnail_is_a_tiff() {
    let whole = scene().to_rgb8();
    let side = |tag, px: u16| (tag, Value::Short(px));
    let picture = together(vec![
        vec![side(0x0100, 900), side(0x0101, 600), (0x0102, Value::Short(8)), side(0x0115, 3), side(0x0116, 600)],
        by_strip(whole.as_raw(), 1, 2),
        vec![(tag::SUB_IFDS, Value::Directories(vec![by_tags(thumbnail())]))],
    ]);
    // The entries of a TIFF are in the order of their tags.
    let mut picture = picture;
    picture.sort_by_key(|(tag, _)| *tag);
    let file = TiffFile::write(b"II*\0\0\0\0\0", 4, false, vec![picture, by_tags(thumbnail())]);
    shows("a TIFF", &file, &scene(), 0);
}

#[test]
fn directories_in_a_circle_end() {
    // The first directory names itself as the next one and as its own part.
    let mut file = TiffFile::write(
        b"II*\0\0\0\0\0",
        4,
        false,
        vec![vec![(tag::PHOTOMETRIC, Value::Short(SENSOR)), (tag::SUB_IFDS, Value::Longs(vec![8]))]],
    );
    let next = file.len() - 4;
    file[next..].copy_from_slice(&8u32.to_le_bytes());
    refused("a circle", &file, "raw-without-preview");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_make_the_reader_panic(
        head in prop::sample::select(vec![
            &b"II*\0\x08\0\0\0"[..], b"MM\0*\0\0\0\x08", b"IIRO\x08\0\0\0", b"IIU\0\x08\0\0\0", b"FUJIFILMCCD-RAW ",
            b"\0\0\0\x10ftypcrx \0\0\0\0", b"\xFF\xD8\xFF\xE1\0\x20Exif\0\0II*\0\x08\0\0\0", b"",
        ]),
        rest in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => Just(1u8), 1 => Just(255u8), 5 => any::<u8>()], 0..400),
    ) {
        read(&[head, &rest].concat());
    }

    #[test]
    fn no_change_of_a_raw_file_makes_the_reader_panic(
        maker in 0..MAKERS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        length in any::<prop::sample::Index>(),
    ) {
        // A preview that is short, so that most changes hit what names it.
        let mut file = MAKERS[maker].1(&thumbnail()[..200], 6);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        read(&file);
        read(&file[..length.index(file.len())]);
    }
}

fn read(bytes: &[u8]) {
    let preview = raw::preview(bytes).map(|p| Walk::of(p.jpeg).ended);
    std::hint::black_box((format::recognise(bytes), preview.is_ok(), jpeg::Header::read(bytes)));
}
