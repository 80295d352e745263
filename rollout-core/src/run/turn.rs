//! Which turn a message belongs to.

/// Counts turns, and messages within them.
///
/// A turn is what an assistant was given plus what it answered, so the first message that is not the assistant's after
/// one that is opens the next turn. What is said by hand holds for the message that comes next, whoever's it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbering {
    turn: u64,
    intra: u64,
    /// The turn may end: the last message is the assistant's, and nobody has said where the next one belongs.
    answered: bool,
    messages: u64,
    /// One more than the highest turn that has a message.
    turns: u64,
}

/// The place of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) turn: u64,
    pub(super) intra: u64,
}

impl Numbering {
    /// The place of the next message, which is of this role.
    pub(super) fn next(&mut self, role: Option<&str>) -> Place {
        let assistant = role == Some("assistant");
        if self.answered && !assistant {
            self.increment_turn();
        }
        let place = self.place();
        self.intra = self.intra.saturating_add(1);
        self.answered = assistant;
        self.messages += 1;
        self.turns = self.turns.max(place.turn.saturating_add(1));
        place
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        Place {
            turn: self.turn,
            intra: self.intra,
        }
    }

    pub(super) fn increment_turn(&mut self) {
        self.turn = self.turn.saturating_add(1);
        self.intra = 0;
        self.answered = false;
    }

    pub(super) fn increment_intra(&mut self) {
        self.intra = self.intra.saturating_add(1);
        self.answered = false;
    }

    pub(super) fn set_turn_index(&mut self, turn: u64) {
        self.turn = turn;
        self.answered = false;
    }

    pub(super) fn set_intra_index(&mut self, intra: u64) {
        self.intra = intra;
        self.answered = false;
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }
}
