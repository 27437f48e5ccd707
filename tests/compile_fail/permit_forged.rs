// error: E0624
use ion::gate::Permit;
use ion::model::{AbsPath, Seq, ToolCall};
use ion::policy::Confinement;

fn forge(call: ToolCall, cwd: AbsPath, confinement: Confinement) -> Permit {
    Permit::issue(call, Vec::new(), cwd, confinement, String::new(), Seq(1))
}

fn main() {}
