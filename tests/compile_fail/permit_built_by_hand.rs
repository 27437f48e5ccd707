// error: E0451
use ion::gate::Permit;
use ion::model::{AbsPath, Seq, ToolCall};
use ion::policy::Confinement;

fn forge(call: ToolCall, cwd: AbsPath, confinement: Confinement) -> Permit {
    Permit {
        call,
        paths: Vec::new(),
        cwd,
        confinement: Box::new(confinement),
        digest: String::new(),
        seq: Seq(1),
        applies: None,
        issued: std::time::Instant::now(),
    }
}

fn main() {}
