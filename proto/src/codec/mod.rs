//! Codecs: bytes to typed records and back.
