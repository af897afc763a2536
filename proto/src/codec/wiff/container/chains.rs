//! Allocation tables: which sector follows which.

use super::Defects;

/// No sector: it is free.
pub(super) const FREE: u32 = 0xffff_ffff;
/// The last sector of a chain.
pub(super) const END: u32 = 0xffff_fffe;
/// The sector holds a part of the allocation table.
pub(super) const FAT: u32 = 0xffff_fffd;
/// The sector holds a part of the list of allocation sectors.
pub(super) const DIFAT: u32 = 0xffff_fffc;
/// The highest number of a sector.
pub(super) const LAST: u32 = 0xffff_fffa;

/// An allocation table in which every chain ends and no two chains meet.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// For each sector the next one, [`END`] or [`FREE`].
    pub(super) next: Vec<u32>,
    /// Sectors that another one names as its next.
    followers: Vec<bool>,
    /// Sectors at which a chain begins that somebody owns.
    begun: Vec<bool>,
}

impl Chains {
    /// Cleans a table as it stands in the file. `place` gives the offset in the file at which an entry stands.
    pub(super) fn clean(mut next: Vec<u32>, place: impl Fn(usize) -> u64, defects: &mut Defects) -> Chains {
        while next.last().is_some_and(|entry| *entry == FREE) {
            next.pop();
        }
        let mut followers = vec![false; next.len()];
        for index in 0..next.len() {
            match next[index] {
                FREE | END => {}
                // The tables' own sectors: they are replaced by clean ones.
                FAT | DIFAT => next[index] = FREE,
                to if (to as usize) < next.len() && !followers[to as usize] => followers[to as usize] = true,
                to => {
                    defects.add(place(index), || format!("sector {index} is followed by {to}, which cannot be"));
                    next[index] = END;
                }
            }
        }
        // A chain that goes on into a free sector: the table was written half.
        for index in 0..next.len() {
            if followers[index] && next[index] == FREE {
                defects.add(place(index), || format!("sector {index} is in use and free at once"));
                next[index] = END;
            }
        }
        let begun = vec![false; next.len()];
        Chains { next, followers, begun }
    }

    pub(super) fn len(&self) -> usize {
        self.next.len()
    }

    /// Claims the chain that begins at `first` for one owner. False where there is no such chain, or another owner has it: chains that
    /// share sectors would let a small file cost without end.
    pub(super) fn claim(&mut self, first: u32) -> bool {
        let index = first as usize;
        let sound = index < self.next.len() && self.next[index] != FREE && !self.followers[index] && !self.begun[index];
        if sound {
            self.begun[index] = true;
        }
        sound
    }

    /// The sectors of a chain; empty for one that does not exist.
    pub(super) fn walk(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        let sound = |sector: u32| ((sector as usize) < self.next.len()).then_some(sector);
        let next = move |sector: &u32| self.next.get(*sector as usize).copied().and_then(sound);
        // A chain cannot be longer than the table; a ring would go on for ever.
        std::iter::successors(sound(first), next).take(self.next.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(next: &[u32]) -> (Vec<u32>, usize) {
        let mut defects = Defects::default();
        let chains = Chains::clean(next.to_vec(), |_| 0, &mut defects);
        (chains.next, defects.list.len())
    }

    #[test]
    fn chains_end_and_do_not_meet() {
        assert_eq!(clean(&[1, END, FREE, FREE]), (vec![1, END], 0));
        assert_eq!(clean(&[FAT, 2, END]), (vec![FREE, 2, END], 0));
        assert_eq!(clean(&[1, 9]), (vec![1, END], 1), "outside the table");
        assert_eq!(clean(&[2, 2, END]), (vec![2, END, END], 1), "two chains meet");
        assert_eq!(clean(&[1, FREE, END]), (vec![1, END, END], 1), "half written");
    }

    #[test]
    fn a_ring_is_walked_once() {
        let chains = Chains::clean(vec![1, 2, 0], |_| 0, &mut Defects::default());
        assert_eq!(chains.walk(0).count(), 3);
    }

    #[test]
    fn a_chain_has_one_owner() {
        let mut chains = Chains::clean(vec![1, END, END, FREE, END], |_| 0, &mut Defects::default());
        assert!(chains.claim(0));
        assert!(!chains.claim(0), "it is taken");
        assert!(!chains.claim(1), "inside of a chain");
        assert!(!chains.claim(3), "a free sector");
        assert!(!chains.claim(END) && !chains.claim(7), "outside");
        assert!(chains.claim(2));
    }
}
