//! The BioLector driver.
