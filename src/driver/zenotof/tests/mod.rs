mod copies;
mod end;
mod made;
mod way;
mod world;
