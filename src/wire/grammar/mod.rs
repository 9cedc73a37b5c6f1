//! The grammar: lines as every server writes them. It specifies what is accepted; `short_cut` only gives some of its
//! results faster.
//!
//! ```text
//! header       = "ver:" plain " server:" any " serial:" number " pool:" name " poolserial:" number
//!                " eventname:" plain " len:" number         ; unknown tokens may follow any token but ver and server;
//!                                                           ; after "ver:" plain, the tokens may be in any order
//! process-line = "processname:" any " groupname:" name *( " " token )
//! group-line   = "groupname:" name *( " " token )
//! tick-line    = "when:" number *( " " token )
//! remote-line  = "type:" any
//! token        = key ":" word                               ; known, once each, in any order; or unknown
//! word         = *( any byte but a space )
//! plain        = 1*( any byte but a space and a newline )
//! number       = 1*digit                                    ; less than 2 to the power of 64
//! name         = word *( " " word-without-a-colon )
//! any          = *( any byte )                              ; what the others leave; may look like tokens
//! ```
//!
//! One value in each line may be any text: supervisord does not check its identifier, and `process_name` may expand to
//! anything. So a line is anchored at both ends, where there is no free text, and the free value is what remains
//! between them. If a group's name begins with a word that holds a colon, the name extends to the next known token.
//!
//! * [`header`]: the header as all known servers write it, one function per production.
//! * [`other_order`]: headers whose tokens are in another order, and the reasons why a line is not a header.
//! * [`payload`]: the lines that payloads begin with.
//! * [`mod@line`]: tokens from left to right, shared by the last two.

pub(crate) mod header;
mod line;
pub(crate) mod other_order;
pub(crate) mod payload;
