//! Any bytes as a command line: the reader must come back, within its bounds, and always alike.
#![no_main]

use ion::model::AbsPath;
use ion::policy::shell::{MAX_UNITS, ShellPlace, parse};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let line = String::from_utf8_lossy(bytes);
    let Some(cwd) = AbsPath::new("/home/dev/app") else { return };
    let place = ShellPlace { cwd: &cwd, home: Some(&cwd) };
    let script = parse(&line, &place);
    assert!(script.units.len() <= MAX_UNITS);
    assert_eq!(script, parse(&line, &place));
    for unit in &script.units {
        assert!(unit.hosts.iter().all(|host| !host.contains(char::is_control)));
    }
});
