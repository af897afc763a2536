mod copies;
mod end;
mod made;
mod way;
pub mod world;
