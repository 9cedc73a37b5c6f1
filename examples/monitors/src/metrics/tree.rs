//! Finds the descendants of processes by their parent ids: if a command is `sh -c …`, its children do the work.

use std::collections::{BTreeMap, BTreeSet};

/// A process at the time of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub pid: u32,
    /// 0 if none.
    pub parent: u32,
    /// In seconds since 1970.
    pub start: u64,
    /// CPU time used since then, in milliseconds.
    pub cpu_ms: u64,
    /// In bytes.
    pub resident: u64,
}

/// All processes at one moment.
pub struct Scan {
    members: BTreeMap<u32, Member>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl Scan {
    /// A scan with these processes.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let members: BTreeMap<_, _> = members.into_iter().map(|member| (member.pid, member)).collect();
        let mut children = BTreeMap::<_, Vec<_>>::new();
        for member in members.values() {
            children.entry(member.parent).or_default().push(member.pid);
        }
        Self { members, children }
    }

    /// A process and its descendants, itself first. Empty if there is no process with this id, or if it was started
    /// after `by`, in seconds since 1970, and is therefore another one.
    pub fn tree(&self, root: u32, by: u64) -> Vec<Member> {
        // The start time may be a second off.
        let Some(root) = self.members.get(&root).filter(|root| root.start <= by.saturating_add(1)) else {
            return Vec::new();
        };
        let (mut tree, mut taken) = (vec![*root], BTreeSet::from([root.pid]));
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            next += 1;
            for child in self.children.get(&parent.pid).into_iter().flatten() {
                // A child older than its parent belongs to an earlier process with the parent's id.
                let child = self.members.get(child).filter(|child| child.start >= parent.start);
                tree.extend(child.filter(|child| taken.insert(child.pid)));
            }
        }
        tree
    }

    /// The CPU time that these processes have used since this scan. For new processes, all of it.
    pub fn cpu_ms_until(&self, members: &[Member]) -> u64 {
        let used = |member: &Member| {
            let before = self.members.get(&member.pid).filter(|before| before.start == member.start);
            member.cpu_ms.saturating_sub(before.map_or(0, |before| before.cpu_ms))
        };
        members.iter().map(used).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: u32, parent: u32, start: u64, cpu_ms: u64) -> Member {
        Member { pid, parent, start, cpu_ms, resident: 0 }
    }

    #[test]
    fn a_tree_has_all_descendants_and_nobody_else() {
        let scan = Scan::new([
            member(1, 0, 0, 0),
            member(10, 1, 100, 0),
            member(11, 10, 100, 0),
            member(12, 11, 105, 0),
            member(20, 1, 100, 0),
            // A child of an earlier process with the id 12.
            member(13, 12, 50, 0),
        ]);
        let pids = |root, by| scan.tree(root, by).iter().map(|member| member.pid).collect::<Vec<_>>();
        assert_eq!(pids(10, 1000), [10, 11, 12]);
        assert_eq!(pids(20, 1000), [20]);
        assert_eq!(pids(1, 1000), [1, 10, 20, 11, 12]);
        assert_eq!(pids(30, 1000), [0; 0]);
        // A process known at 90 is not the one started at 100.
        assert_eq!(pids(10, 90), [0; 0]);
        assert_eq!(pids(10, 99), [10, 11, 12]);
    }

    #[test]
    fn parents_that_are_their_own_descendants_end() {
        let scan = Scan::new([member(1, 2, 5, 0), member(2, 1, 5, 0), member(3, 3, 5, 0)]);
        assert_eq!(scan.tree(1, 10).len(), 2);
        assert_eq!(scan.tree(3, 10).len(), 1);
    }

    #[test]
    fn what_is_used_of_the_cpus_is_that_of_the_same_processes() {
        let before = Scan::new([member(10, 1, 100, 5000), member(11, 10, 100, 300), member(12, 10, 100, 700)]);
        // Another process 11, and a new one; 12 has ended.
        let after = [member(10, 1, 100, 5100), member(11, 10, 200, 20), member(13, 10, 200, 3)];
        assert_eq!(before.cpu_ms_until(&after), 100 + 20 + 3);
        assert_eq!(before.cpu_ms_until(&[]), 0);
    }
}
