mod copies;
mod end;
mod way;
mod world;
