//! Makes shell lines: harmless commands, hidden ones, and everything that can stand around them.
//!
//! Weighted so that a good share of the lines is allowed. The same seed gives the same lines.

/// A small generator of numbers (splitmix64): the lines must not depend on a crate's version.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Programs that exist inside, all of them the shim.
pub const PROGRAMS: &[&str] = &[
    "pwned", "ls", "cat", "git", "wc", "grep", "head", "tail", "sort", "uniq", "cargo", "date",
    "seq", "nproc", "expr", "getconf", "id", "tput", "stat", "jq", "rm", "cp", "mv", "touch",
    "mkdir", "sed", "awk", "tr", "cut", "find", "xargs", "env", "timeout", "nice", "nohup", "sudo",
    "python3", "node", "perl", "make", "npm", "curl", "wget", "tee", "diff", "file", "basename",
    "dirname", "sleep", "rg", "go", "stdbuf", "setsid", "time", "uname", "du", "df", "less", "man",
    "which", "yes", "watch", "flock", "script", "ssh", "docker", "kubectl", "parallel", "busybox",
    "w1", "w2", "nl", "rev", "tac", "paste", "comm", "od", "realpath", "readlink", "true", "false",
    "echo", "printf", "test", "[", "pwd", "kill", "whoami", "hostname", "ionice", "column", "fold",
];

const HARMLESS: &[&str] = &[
    "ls",
    "ls -la",
    "ls src",
    "git status",
    "cat notes.txt",
    "wc -l f",
    "grep -n x f",
    "echo hi",
    "true",
    "false",
    ":",
    "cargo test",
    "head -1 f",
    "date +%s",
    "seq 3",
    "git log --oneline -3",
    "sort list",
    "./run.sh",
    "scripts/check -q",
    "target/debug/app",
    "git rev-parse HEAD",
    "nproc",
    "uname -a",
    "printf '%s\\n' x",
    "cut -d: -f1 f",
    "tail -n 2 list",
    "diff f list",
    "pwd",
    "basename a/b",
    "touch t1",
    "mkdir -p d1",
    "sed -n 1p f",
    "tr a b",
    "uniq list",
    "rg foo src",
    "stat -c %s f",
    "id -u",
    "find . -name '*.rs'",
    "jq . list",
    "cat n",
];

/// What must not run unseen.
const HIDDEN: &[&str] = &["pwned", "pwned x", "rm x", "curl u", "sudo ls", "w1 w2", "git push"];

const NAMES: &[&str] = &["x", "y", "z", "i", "n", "arr", "RESULT"];

const TEXTS: &[&str] = &[
    "a",
    "b c",
    "src",
    "f",
    "n",
    "-l",
    "--",
    "1",
    "7",
    "*.rs",
    "a[$(pwned)]",
    "$(pwned)",
    "`pwned`",
    "x",
    "y",
    "w1",
    "rm",
    "pwned",
    "ls",
    "a[0]",
    "x=1",
    "$x",
    "a;pwned",
    "a\\ b",
    "~",
    "~/x",
    "",
    "@",
    "!",
    "{}",
    "a[`pwned`]",
    "x[$(pwned)]",
    "<(pwned)",
    "ls;pwned",
    "%s",
    "-v",
    "-n",
    "\\$(pwned)",
    "a'b",
    "a\"b",
];

/// Wrappers whose command follows.
const WRAPPERS: &[&str] = &[
    "timeout 5 ",
    "nice ",
    "nice -n 5 ",
    "nohup ",
    "env ",
    "env A=1 ",
    "env -u A ",
    "time ",
    "time -p ",
    "command ",
    "command -p ",
    "exec ",
    "exec -a q ",
    "builtin ",
    "! ",
    "setsid ",
    "stdbuf -oL ",
    "coproc ",
    "\\",
    "eval ",
    "xargs ",
    "find . -exec ",
    "\"\"",
    "A=1 ",
    "LANG=C ",
    "ionice -c 3 ",
    "A=1 B=2 ",
    "coproc NAME ",
    "exec 3< f; ",
    "time ! ",
    "command -- ",
    "eval -- ",
    "command command ",
    "exec -c ",
    "exec -l ",
    "! ! ",
    "time time ",
];

/// One line.
pub fn line(dice: &mut Dice) -> String {
    let mut text = list(dice, 3);
    if dice.chance(8) {
        text = mutated(dice, &text);
    }
    text
}

/// A committed line with a small change.
pub fn near(dice: &mut Dice, seeds: &[&str]) -> String {
    let seed = seeds[dice.below(seeds.len())];
    match dice.below(4) {
        0 => seed.to_owned(),
        1 => format!("{seed}{}{}", separator(dice), list(dice, 1)),
        2 => format!("{}{}{seed}", list(dice, 1), separator(dice)),
        _ => mutated(dice, seed),
    }
}

/// Takes out, doubles or exchanges a few characters.
fn mutated(dice: &mut Dice, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(2) {
        if chars.is_empty() {
            break;
        }
        let at = dice.below(chars.len());
        match dice.below(4) {
            0 => drop(chars.remove(at)),
            1 => chars.insert(at, chars[at]),
            2 => {
                let piece = dice.of(&[
                    "$", "\\", "'", "\"", "`", "(", ")", " ", ";", "\n", "{", "}", "#", "$'", "<",
                    ">", "&", "|", "!", "[", "]", "=",
                ]);
                for c in piece.chars().rev() {
                    chars.insert(at, c);
                }
            }
            _ => {
                let other = dice.below(chars.len());
                chars.swap(at, other);
            }
        }
    }
    chars.into_iter().collect()
}

fn separator(dice: &mut Dice) -> &'static str {
    match dice.below(12) {
        0 => "\n",
        1 => " & ",
        2 | 3 => " && ",
        4 => " || ",
        5 | 6 => " | ",
        7 => " |& ",
        8 => ";\n",
        _ => "; ",
    }
}

fn list(dice: &mut Dice, depth: usize) -> String {
    let mut text = statement(dice, depth);
    for _ in 0..dice.below(3) {
        text.push_str(separator(dice));
        text.push_str(&statement(dice, depth));
    }
    text
}

fn statement(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return simple(dice, 0);
    }
    let inner = depth - 1;
    if dice.chance(62) {
        return simple(dice, inner);
    }
    match dice.below(26) {
        0 => format!(
            "if {}; then {}; else {}; fi",
            list(dice, inner),
            list(dice, inner),
            list(dice, inner)
        ),
        1 => format!("while {}; do {}; break; done", list(dice, inner), list(dice, inner)),
        2 => format!("until {}; do {}; done", statement(dice, inner), list(dice, inner)),
        3 => format!(
            "for {} in {} {}; do {}; done",
            dice.of(NAMES),
            word(dice, inner),
            word(dice, inner),
            list(dice, inner)
        ),
        4 => format!(
            "case {} in {}) {};; {}) {};& *) {};; esac",
            word(dice, inner),
            word(dice, 0),
            list(dice, inner),
            dice.of(&["a", "(b", "'x'|y", "*.rs"]),
            list(dice, 0),
            list(dice, inner)
        ),
        5 => format!("f() {{ {}; }}; f {}", list(dice, inner), word(dice, inner)),
        6 => format!("( {} )", list(dice, inner)),
        7 => format!("{{ {}; }}{}", list(dice, inner), redirect(dice, inner)),
        8 => format!("for ((i=0;i<2;i++)); do {}; done", list(dice, inner)),
        9 => format!("(( {} ))", arithmetic(dice, inner)),
        10 => format!("[[ {} ]]", test(dice, inner)),
        11 => format!("function g {{ {}; }}; g", list(dice, inner)),
        12 => format!("{}={}", dice.of(NAMES), word(dice, inner)),
        13 => format!(
            "{0}={1}; {2} ${0}",
            dice.of(NAMES),
            word(dice, inner),
            dice.of(&["ls", "echo", "cat", "wc -l", "git", ""])
        ),
        14 => format!("{}=({} {})", dice.of(NAMES), word(dice, inner), word(dice, inner)),
        15 => format!(
            "while read {}; do {}; done < {}",
            dice.of(&["x", "-r x y", "i", "n"]),
            list(dice, inner),
            dice.of(&["f", "list", "<(ls)"])
        ),
        16 => format!("x={}; {}", quoted(dice), evaluator(dice)),
        17 => format!(
            "{} <<{}\n{}\n{}\nE",
            dice.of(&["cat", "bash", "wc -l", "read x", "while read i; do ((i)); done", "sh -s a"]),
            dice.of(&["E", "'E'", "\\E", "\"E\"", "-E"]),
            text(dice),
            list(dice, inner)
        ),
        18 => format!(
            "trap {} {}",
            quoted_list(dice, inner),
            dice.of(&["EXIT", "ERR", "DEBUG", "INT", "RETURN", "0"])
        ),
        19 => format!(
            "{} {}",
            dice.of(&[
                "bash -c",
                "sh -c",
                "eval",
                "bash -ec",
                "command eval",
                "bash -c --",
                "bash -o pipefail -c",
                "bash +e -c",
                "builtin eval",
                "bash -O extglob -c"
            ]),
            quoted_list(dice, inner)
        ),
        20 => format!(
            "shopt -s expand_aliases\nalias {}={}\n{} {}",
            dice.of(&["q", "ls", "cat"]),
            quoted_list(dice, 0),
            dice.of(&["q", "ls", "cat"]),
            word(dice, 0)
        ),
        21 => special(dice, inner),
        22 => format!(
            "{} | while read {}; do {}; done",
            simple(dice, inner),
            dice.of(NAMES),
            list(dice, inner)
        ),
        23 => format!("select x in a b; do {}; break; done <<< 1", list(dice, inner)),
        24 => format!(
            "{} {}() {{ {}; }}; {} a",
            dice.of(&["function", ""]),
            dice.of(&["ls", "cat", "git", "h"]),
            list(dice, inner),
            dice.of(&["ls", "cat", "git", "h"])
        ),
        _ => format!(
            "{} {{ {}; }}",
            dice.of(&["coproc", "time", "!", "coproc P"]),
            list(dice, inner)
        ),
    }
}

/// Ways in which a value is looked at a second time.
fn evaluator(dice: &mut Dice) -> String {
    let known: &[&str] = &[
        "((x))",
        "echo $((x))",
        "echo $[x]",
        "[[ x -eq 1 ]]",
        "[[ $x -lt 3 ]]",
        "test -v \"$x\"",
        "[ -v \"$x\" ]",
        "[[ -v $x ]]",
        "let x",
        "let y=x",
        "declare -i y=x",
        "declare -i y; y=$x",
        "printf -v \"$x\" y",
        "read \"$x\" < f",
        "unset \"$x\"",
        "echo ${y:x}",
        "echo ${y:0:x}",
        "echo ${arr[x]}",
        "arr[x]=1",
        "echo ${!x}",
        "for ((;x;)); do break; done",
        "eval $x",
        "eval \"$x\"",
        "eval echo $x",
        "$x",
        "\"$x\"",
        "echo ${x@P}",
        "echo ${x@E}",
        "declare \"$x\"",
        "export \"$x\"",
        "local \"$x\"",
        "typeset -n r=$x; echo $r",
        "declare -n r=x; ((r))",
        "set -- $x; (( $1 ))",
        "wait -p \"$x\" -n",
        "mapfile -t \"$x\" < f",
        "exec $x",
        "bash -c \"$x\"",
        "bash -c \"echo $x\"",
        "trap \"$x\" EXIT",
        "PS4=$x; set -x; ls",
        "printf %d $x",
        "printf '%d' \"$x\"",
        "shift x",
        "exit $x",
        "return $x",
        "ulimit -n $x",
        "ls ${x#a}",
        "ls ${x/a/b}",
        "((y=x))",
        "((arr[$x]=1))",
        "echo $((arr[x]))",
        "declare -a \"arr=($x)\"",
        "declare \"arr[$x]=1\"",
        "eval \"arr[$x]=1\"",
        "readarray -t -O $x arr < f",
        "read -r arr[x] < f",
        "getopts a: x -a b",
        "x+=1; ((x))",
        "[[ 1 -eq $x ]]",
        "[ \"$x\" -eq 1 ]",
        "test $x -gt 1",
        "echo ${arr[$x]:-b}",
        "echo ${y:=$x}; ((y))",
        "until ((x)); do break; done",
        "(( y = x ? 1 : 0 ))",
        "ls $((x+1))",
        "echo ${#arr[x]}",
        "unset arr[x]",
        "case $x in a*) ls;; esac",
        "cd $x",
        "alias q=$x",
        "source $x",
        ". $x",
        "cat $x",
        "ls > $x",
        "git $x",
        "git \"$x\"",
        "sleep $x",
        "declare -A m; m[$x]=1; echo ${m[$x]}",
        "m=([$x]=1)",
        "echo ${x,,} ${x^}",
        "y=${x//a/b}; ((y))",
        "IFS=$x; ls a",
        "OPTIND=$x",
        "RANDOM=$x",
        "SECONDS=$x",
        "HISTCMD=$x",
        "PROMPT_COMMAND=$x",
        "BASH_ENV=$x bash -c ls",
        "ENV=$x sh -c ls",
        "declare -x y=$x; bash -c '((y))'",
        "export x; bash -c '((x))'",
        "x=$x bash -c 'echo $((x))'",
        "f() { local -i q=$1; }; f \"$x\"",
        "f() { (($1)); }; f \"$x\"",
        "f() { eval \"$1\"; }; f \"$x\"",
        "f() { \"$@\"; }; f $x",
        "printf -v y %s \"$x\"; ((y))",
        "read y <<< \"$x\"; ((y))",
        "y=$(echo \"$x\"); ((y))",
        "for y in $x; do ((y)); done",
        "[[ $x =~ a ]] && ls",
        "[[ a == $x ]]",
        "echo ${x:-$(ls)}",
        "echo ${x:+$(ls)}",
        "echo \"${x[@]}\"",
        "ls \"${x[@]}\" \"${arr[@]}\"",
        "echo {1..$x}",
        "eval echo {1..$x}",
        "ls ${x%%[*}",
        "declare -p x",
        "fc -s $x",
        "bind -x $x",
        "complete -C $x q",
        "enable -f $x q",
        "hash -p $x ls; ls",
        "BASH_CMDS[ls]=$x; ls",
        "BASH_ALIASES[ls]=$x; ls",
        "command_not_found_handle() { ls; }; nope",
        "exec 3<<< $x; read -u 3 y; ((y))",
        "coproc cat; ((COPROC[0]))",
        "let \"y = $x\"",
        "((x++))",
        "(( $x ))",
        "[[ -z ${arr[x]} ]]",
    ];
    dice.of(known).to_owned()
}

fn special(dice: &mut Dice, depth: usize) -> String {
    let hidden = dice.of(HIDDEN);
    match dice.below(16) {
        0 => format!("PATH=. {}", simple(dice, 0)),
        1 => format!("hash -p ./run.sh {0}; {0} x", dice.of(&["ls", "cat", "git"])),
        2 => format!("command_not_found_handle() {{ {}; }}; nosuch x", list(dice, depth)),
        3 => format!("PROMPT_COMMAND='{hidden}'; ls"),
        4 => format!("BASH_ENV=f bash -c ls; BASH_ENV=<(echo {hidden}) bash -c ls"),
        5 => format!("cat < <({})", list(dice, depth)),
        6 => format!("tee >({}) < f", list(dice, depth)),
        7 => format!("echo a # $({hidden})\n{}", simple(dice, depth)),
        8 => format!("{} \\\n{}", simple(dice, 0), word(dice, depth)),
        9 => format!("exec {} ; {}", redirect(dice, depth), list(dice, depth)),
        10 => format!("set -- {} {}; \"$@\"", dice.of(&["ls", "pwned", "echo"]), word(dice, 0)),
        11 => format!("IFS={}; {}", dice.of(&["/", ",", "'\n'", "a"]), simple(dice, depth)),
        12 => format!("unset -f ls; {}", simple(dice, depth)),
        13 => format!(
            "{} {}",
            dice.of(&["{ls,-l}", "{pwned,x}", "{cat,f}", "l{s,s}", "{,ls}"]),
            word(dice, 0)
        ),
        14 => format!("export x={}; bash -c 'ls $x'", word(dice, 0)),
        _ => format!(
            "cd {} && {}",
            dice.of(&["src", "..", "/", "$x", "d*", "-", "~"]),
            list(dice, depth)
        ),
    }
}

fn simple(dice: &mut Dice, depth: usize) -> String {
    let mut text = String::new();
    while dice.chance(9) {
        text.push_str(dice.of(WRAPPERS));
    }
    if dice.chance(7) {
        text.push_str(dice.of(HIDDEN));
    } else {
        text.push_str(dice.of(HARMLESS));
    }
    if dice.chance(45) {
        for _ in 0..=dice.below(2) {
            text.push(' ');
            text.push_str(&word(dice, depth));
        }
    }
    if dice.chance(16) {
        text.push_str(&redirect(dice, depth));
    }
    text
}

fn redirect(dice: &mut Dice, depth: usize) -> String {
    let target = if dice.chance(80) {
        dice.of(&["f", "/dev/null", "out.txt", "src/x", "list"]).to_owned()
    } else {
        word(dice, depth)
    };
    match dice.below(12) {
        0 => format!(" < {target}"),
        1 => format!(" >> {target}"),
        2 => " 2>&1".to_owned(),
        3 => format!(" &> {target}"),
        4 => format!(" 2>{target}"),
        5 => format!(" <<< {}", word(dice, depth)),
        6 => format!(" >| {target}"),
        7 => format!(" {{fd}}< {target}"),
        8 => " 3>&1 4>&-".to_owned(),
        9 => format!(" >& {target}"),
        10 => format!(" <> {target}"),
        _ => format!(" > {target}"),
    }
}

fn text(dice: &mut Dice) -> String {
    dice.of(TEXTS).to_owned()
}

/// A text in single quotes, or in `$'…'`.
fn quoted(dice: &mut Dice) -> String {
    let text = text(dice).replace('\'', "");
    match dice.below(4) {
        0 => format!("$'{}'", text.replace('\\', "\\\\")),
        1 => {
            let hex: String = text.bytes().map(|b| format!("\\x{b:02x}")).collect();
            format!("$'{hex}'")
        }
        _ => format!("'{text}'"),
    }
}

fn quoted_list(dice: &mut Dice, depth: usize) -> String {
    let list = list(dice, depth);
    match dice.below(4) {
        0 => format!("\"{}\"", list.replace('\\', "\\\\").replace('"', "\\\"")),
        1 => format!(
            "\"{}\"",
            list.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`")
        ),
        _ => format!("'{}'", list.replace('\'', "'\\''")),
    }
}

fn arithmetic(dice: &mut Dice, depth: usize) -> String {
    match dice.below(9) {
        0 => "1 + 2".to_owned(),
        1 => format!("{} + 1", dice.of(NAMES)),
        2 => format!("${} * 2", dice.of(NAMES)),
        3 => format!("{}[{}]", dice.of(NAMES), dice.of(NAMES)),
        4 if depth > 0 => format!("$({}) + 1", list(dice, depth - 1)),
        5 => format!("{}++", dice.of(NAMES)),
        6 => format!("{}={}", dice.of(NAMES), dice.of(&["1", "y", "$x", "a[0]"])),
        7 => format!("{}[$({})]", dice.of(NAMES), dice.of(HIDDEN)),
        _ => format!("{} < 3 ? 1 : {}", dice.of(NAMES), dice.of(NAMES)),
    }
}

fn test(dice: &mut Dice, depth: usize) -> String {
    let (a, b) = (word(dice, depth), word(dice, depth));
    match dice.below(8) {
        0 => format!("-n {a}"),
        1 => format!("{a} == {b}"),
        2 => format!("{a} -eq {b}"),
        3 => format!("-v {}", dice.of(&["x", "arr[0]", "arr[x]", "'a[$(pwned)]'"])),
        4 => format!("{a} =~ ^[0-9]+$"),
        5 => format!("-f {a} && -d {b}"),
        6 => format!("! -e {a} || {a} < {b}"),
        _ => format!("( -z {a} )"),
    }
}

fn word(dice: &mut Dice, depth: usize) -> String {
    let mut out = piece(dice, depth);
    if dice.chance(15) {
        out.push_str(&piece(dice, depth));
    }
    out
}

fn piece(dice: &mut Dice, depth: usize) -> String {
    match dice.below(30) {
        0..=5 => dice
            .of(&["a", "src", "f", "list", "-l", "n", "x1", "src/main.rs", "1", "--all", "-x"])
            .to_owned(),
        6 | 7 => format!("'{}'", text(dice).replace('\'', "")),
        8 => format!("\"{}\"", text(dice).replace(['"', '`', '$', '\\'], "")),
        9 => format!("${}", dice.of(NAMES)),
        10 => format!("\"${}\"", dice.of(NAMES)),
        11 => quoted(dice),
        12 => format!(
            "{{{},{}}}",
            dice.of(&["a", "b", "f", "-l", ""]),
            dice.of(&["c", "n", "src", "'x y'", "$x", "{d,e}"])
        ),
        13 => dice
            .of(&[
                "*.rs",
                "src/*",
                "?",
                "[ab]*",
                "~",
                "~/x",
                "~root",
                "$HOME/x",
                "$PWD",
                "src/m?in.rs",
                "!(x)",
                "@(a|b)",
                "{1..3}",
                "{a..c}x",
                "a{1..2..1}",
                "~+",
                "~-/x",
            ])
            .to_owned(),
        14 if depth > 0 => format!("$({})", list(dice, depth - 1)),
        15 if depth > 0 => format!("\"$({})\"", list(dice, depth - 1)),
        16 if depth > 0 => format!("`{}`", list(dice, 0).replace('\\', "\\\\").replace('`', "\\`")),
        17 => format!("$(({}))", arithmetic(dice, depth)),
        18 if depth > 0 => format!("<({})", list(dice, depth - 1)),
        19 => format!(
            "${{{}{}{}}}",
            dice.of(NAMES),
            dice.of(&[
                ":-", ":=", ":+", "-", "+", "#", "%", "##", "%%", "/a/", "//b/", ":", "^", ",,"
            ]),
            dice.of(&["a", "$y", "1", "$(ls)", "'b c'", "\"q\"", "x"])
        ),
        20 => format!(
            "${{{}[{}]}}",
            dice.of(NAMES),
            dice.of(&["@", "*", "0", "x", "$y", "-1", "1+1"])
        ),
        21 => dice
            .of(&[
                "$1",
                "$@",
                "\"$@\"",
                "$#",
                "$?",
                "$$",
                "$!",
                "$0",
                "$_",
                "$-",
                "$*",
                "${#x}",
                "${!x}",
                "${!x@}",
                "${x@Q}",
                "${x@A}",
                "$RANDOM",
                "$LINENO",
                "$SECONDS",
                "$UID",
                "$IFS",
                "${IFS}",
                "$OLDPWD",
                "$BASH_VERSION",
            ])
            .to_owned(),
        22 => dice
            .of(&[
                "\\a",
                "\\$x",
                "a\\ b",
                "\\\\",
                "a\\\nb",
                "\\'",
                "\\~",
                "\"a\\$b\"",
                "\"a\\\nb\"",
                "\"\\a\"",
                "\"\\`x\\`\"",
                "$\"loc\"",
                "''",
                "\"\"",
                "a''b",
                "'a'\"b\"c",
                "\"'\"",
                "'\"'",
            ])
            .to_owned(),
        23 => format!("--opt={}", dice.of(&["$x", "a", "'b c'", "~/x", "{a,b}", "$(ls)", "*.rs"])),
        24 => format!("x={}", dice.of(&["$x", "a", "~/x", "{a,b}", "'$(pwned)'"])),
        25 => format!("\"a${{{}}}b$({})\"", dice.of(NAMES), simple(dice, 0)),
        _ => dice.of(&["a", "b", "c", "notes.txt", "src", "2", "HEAD", ".", "-n"]).to_owned(),
    }
}
