//! Options and scripts with which an otherwise harmless program runs code or reaches elsewhere.
//!
//! FAIL CLOSED: what is found here makes the command opaque, so no allow rule for its name covers
//! it. Long options count in every abbreviation. The table is by class and not complete: a program
//! that no rule allows asks anyway. Read `script` for the small languages of sed and awk.

use super::Word;
use super::script;

/// Programs, their long options (any abbreviation counts), and their short ones.
struct Row {
    programs: &'static [&'static str],
    long: &'static [&'static str],
    /// As written, or with the value glued on.
    short: &'static [&'static str],
}

const fn row(
    programs: &'static [&'static str],
    long: &'static [&'static str],
    short: &'static [&'static str],
) -> Row {
    Row { programs, long, short }
}

const ROWS: &[Row] = &[
    row(
        &["tar", "gtar", "bsdtar"],
        &[
            "to-command",
            "checkpoint-action",
            "rsh-command",
            "rmt-command",
            "info-script",
            "new-volume-script",
            "absolute-names",
        ],
        &["-F", "-P"],
    ),
    // The command behind it would be judged in the wrong folder.
    row(&["env"], &["chdir"], &["-C"]),
    row(&["cpio"], &["rsh-command", "absolute-filenames"], &[]),
    row(&["sort"], &["compress-program"], &[]),
    row(&["split"], &["filter"], &[]),
    row(&["rg"], &["pre", "hostname-bin"], &[]),
    row(
        &["man", "apropos", "whatis"],
        &["pager", "html", "config-file", "preprocessor"],
        &["-P", "-H", "-C"],
    ),
    row(
        &["less", "zless", "bat", "delta", "more"],
        &["pager", "lesskey-file", "lesskey-src", "log-file", "LOG-FILE"],
        &["-k", "-o", "-O"],
    ),
    row(
        &["gcc", "g++", "cc", "c++", "clang", "clang++"],
        &["specs", "plugin"],
        &[
            "-wrapper",
            "-fplugin",
            "-B",
            "-specs",
            "-load",
            "-fpass-plugin",
            "-fuse-ld=/",
            "-fuse-ld=.",
            "-Xlinker",
            "-Wl,-plugin",
            "-Wl,-dynamic-linker",
        ],
    ),
    row(&["ld"], &["plugin"], &["-plugin"]),
    row(&["rustc", "rustdoc"], &[], &["-Clinker", "-Zcodegen-backend"]),
    row(
        &["go"],
        &[],
        &["-toolexec", "-exec", "-vettool", "--toolexec", "--exec", "--vettool", "-overlay"],
    ),
    row(&["make", "gmake"], &["eval"], &["-E"]),
    row(
        &["java", "kotlin", "scala"],
        &[],
        &[
            "-javaagent",
            "-agentlib",
            "-agentpath",
            "-XX:OnError",
            "-XX:OnOutOfMemoryError",
            "-Xrun",
            "@",
        ],
    ),
    row(
        &["javac", "kotlinc", "scalac"],
        &["processor-path", "processor-module-path"],
        &["-processorpath", "-J", "@"],
    ),
    row(&["protoc"], &["plugin"], &[]),
    row(&["buf"], &["template", "config"], &[]),
    row(
        &["pdflatex", "xelatex", "lualatex", "latex", "tex", "pdftex", "latexmk"],
        &["shell-escape", "enable-write18"],
        &[
            "-shell-escape",
            "-enable-write18",
            "-e",
            "-r",
            "-pdflatex=",
            "-latex=",
            "-xelatex=",
            "-lualatex=",
        ],
    ),
    row(&["pandoc"], &["filter", "lua-filter", "pdf-engine", "extract-media"], &["-F", "-L"]),
    row(&["exiftool"], &[], &["-if", "-config", "-o", "-w", "-stay_open", "-@"]),
    row(&["fzf", "sk"], &["preview", "bind", "listen", "become", "execute"], &[]),
    row(&["jq", "gojq"], &["library-path"], &["-L"]),
    row(&["openssl"], &[], &["-engine", "-provider", "-provider-path", "-config"]),
    row(&["kubectl", "oc", "helm"], &["kubeconfig", "post-renderer", "plugin"], &[]),
    row(&["logger"], &["server", "socket", "file"], &["-n", "-u", "-f"]),
    row(
        &["npm", "pnpm", "yarn", "bun"],
        &["script-shell", "node-options", "shell-auto-fallback"],
        &[],
    ),
    row(
        &["node", "nodejs", "tsx", "ts-node"],
        &["require", "import", "loader", "experimental-loader", "env-file", "inspect"],
        &["-r"],
    ),
    row(
        &["php"],
        &["process-begin", "process-code", "process-end", "define"],
        &["-B", "-R", "-E", "-d", "-S"],
    ),
    row(&["cargo"], &["config"], &[]),
    row(&["ctags"], &["options"], &[]),
    row(&["protoc", "eslint"], &["rulesdir", "resolve-plugins-relative-to"], &[]),
    row(&["ssh", "scp", "sftp"], &[], &["-F", "-I", "-S"]),
    row(&["xmllint"], &["load-trace", "postvalid", "shell"], &[]),
    row(&["ast-grep", "sg"], &["interactive", "config"], &[]),
    row(&["gdb", "lldb"], &["command", "eval-command", "init-command"], &["-x", "-ex", "-o"]),
    row(&["screen", "tmux"], &[], &["-c", "-f", "-s"]),
    row(&["docker", "podman", "nerdctl"], &["host", "config", "context"], &["-H"]),
];

/// Compressors that may stand behind `tar -I`.
const COMPRESSORS: &[&str] = &[
    "zstd", "zstdmt", "gzip", "pigz", "xz", "pixz", "bzip2", "pbzip2", "lz4", "lzop", "brotli",
    "unzstd", "lbzip2",
];

/// Keys of `git -c` that start nothing and send nothing elsewhere, by what they begin with.
const GIT_KEYS: &[&str] = &[
    "color.",
    "advice.",
    "user.name",
    "user.email",
    "log.",
    "core.quotepath",
    "core.autocrlf",
    "core.abbrev",
    "core.pager=cat",
    "core.filemode",
    "core.ignorecase",
    "core.longpaths",
    "core.safecrlf",
    "init.defaultbranch",
    "commit.gpgsign=false",
    "tag.gpgsign=false",
    "diff.renames",
    "diff.noprefix",
    "diff.algorithm",
    "diff.context",
    "merge.conflictstyle",
    "fetch.prune",
    "push.default",
    "pull.rebase",
    "pull.ff",
    "rebase.autostash",
    "rerere.",
    "column.",
    "gc.auto",
    "status.",
    "branch.sort",
    "tag.sort",
    "safe.directory",
    "blame.",
    "grep.",
    "i18n.",
    "core.commentchar",
    "versionsort.",
    "stash.show",
    "core.precomposeunicode",
    "core.whitespace",
    "apply.whitespace",
    "http.postbuffer",
    "http.lowspeed",
    "pack.",
    "index.",
    "feature.",
    "format.pretty",
    "format.signoff",
];

/// Why the command may do more than its name says.
pub fn runs_more(program: &str, args: &[Word]) -> Option<String> {
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let rows =
        ROWS.iter().filter(|row| row.programs.contains(&program) || row.programs.contains(&stem));
    for row in rows {
        for word in args.iter().take_while(|word| word.text != "--") {
            if let Some(option) = row.hit(&word.text) {
                return Some(format!("its option `{option}` can run a program or reach elsewhere"));
            }
        }
    }
    special_forms(program, args).map(str::to_owned)
}

impl Row {
    fn hit(&self, text: &str) -> Option<&'static str> {
        if let Some(long) = text.strip_prefix("--") {
            let name = long.split('=').next().unwrap_or(long);
            let found = self.long.iter().find(|option| name.len() >= 2 && option.starts_with(name));
            if let Some(found) = found {
                return Some(found);
            }
        }
        self.short
            .iter()
            .find(|option| {
                text == **option
                    || text.starts_with(**option) && !(option.len() == 2 && text.starts_with("--"))
            })
            .copied()
    }
}

fn special_forms(program: &str, args: &[Word]) -> Option<&'static str> {
    let any = |test: &dyn Fn(&str) -> bool| args.iter().any(|word| test(&word.text));
    match program {
        "tar" | "gtar" | "bsdtar" => {
            let after =
                |at: usize| args.get(at + 1).map(|word| word.text.as_str()).unwrap_or_default();
            let harmless = |value: &str| {
                COMPRESSORS.contains(&value.split_whitespace().next().unwrap_or_default())
            };
            for (at, word) in args.iter().enumerate() {
                let text = word.text.as_str();
                let name = text.split('=').next().unwrap_or_default();
                let long = name.len() > 4 && "--use-compress-program".starts_with(name);
                let value = match text.split_once('=') {
                    Some((_, value)) if long => value,
                    _ if long || text == "-I" => after(at),
                    _ => match text.strip_prefix("-I") {
                        Some(value) => value,
                        None => {
                            let bundle = at == 0 && !text.starts_with("--")
                                || text.starts_with('-') && !text.starts_with("--");
                            if bundle
                                && text.contains(['P', 'F', 'I'])
                                && !text.contains(['/', '=', '.'])
                            {
                                return Some("its options can run a program or leave the folder");
                            }
                            continue;
                        }
                    },
                };
                if !harmless(value) {
                    return Some("it unpacks with a program of its own choice");
                }
            }
            None
        }
        "git" => git(args),
        "sed" | "gsed" => script::of_sed(args),
        "awk" | "gawk" | "mawk" | "nawk" => script::of_awk(args),
        "more" | "less" if any(&|text| text.starts_with('+') && text.contains('!')) => {
            Some("it starts with a command of its own")
        }
        "dc" => Some("its input can run programs"),
        "fc" if !any(&|text| text.starts_with("-l") || text == "-nl") => {
            Some("it runs old commands again")
        }
        "rustc" | "rustdoc"
            if any(&|text| text.contains("linker=") || text.contains("linker-flavor")) =>
        {
            Some("it links with a program of its own choice")
        }
        "sqlite3" => {
            let dangerous = |text: &str| {
                let low = text.to_ascii_lowercase();
                text.trim_start().starts_with('.')
                    && !text.starts_with("./")
                    && !text.starts_with("..")
                    && !quiet_dot(text)
                    || low.contains("\n.")
                    || [
                        "load_extension",
                        "writefile",
                        "readfile",
                        "edit(",
                        "fts3_tokenizer",
                        "attach ",
                        "vacuum into",
                    ]
                    .iter()
                    .any(|word| low.contains(word))
                    || matches!(text, "-cmd" | "-init" | "--cmd" | "--init")
            };
            any(&dangerous).then_some("its script can run programs or reach other files")
        }
        "pdflatex" | "xelatex" | "lualatex" | "latex" | "tex" | "pdftex"
            if any(&|text| text.contains("write18") || text.contains("directlua")) =>
        {
            Some("its text runs a program")
        }
        "parallel"
            if any(&|text| {
                text.starts_with("--tmux") || text.starts_with("-S") || text.starts_with("--ssh")
            }) =>
        {
            Some("it runs elsewhere")
        }
        _ => None,
    }
}

/// Commands of the sqlite shell that only show something.
fn quiet_dot(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    matches!(
        word,
        ".schema"
            | ".tables"
            | ".headers"
            | ".header"
            | ".mode"
            | ".indexes"
            | ".indices"
            | ".dump"
            | ".databases"
            | ".help"
            | ".show"
            | ".width"
            | ".stats"
            | ".timer"
            | ".quit"
            | ".exit"
            | ".fullschema"
            | ".dbinfo"
    )
}

fn git(args: &[Word]) -> Option<&'static str> {
    for (at, word) in args.iter().enumerate() {
        let text = word.text.as_str();
        let setting = match text {
            "-c" => args.get(at + 1).map(|word| word.text.as_str()),
            // `git -cKEY=x`, but `git commit -cHEAD` is another option.
            _ => text.strip_prefix("-c").filter(|rest| rest.contains('=') && rest.contains('.')),
        };
        if text.starts_with("--unsafe-paths") || text.starts_with("--config-env") {
            return Some("its options reach elsewhere");
        }
        let before_verb = args
            .iter()
            .take(at)
            .all(|w| w.text.starts_with('-') || w.text.contains(['=', '/']) || w.text == ".");
        let clones = args.iter().any(|w| w.text == "clone");
        if let Some(setting) = setting.filter(|_| before_verb || clones) {
            let low = setting.to_ascii_lowercase();
            let known = args.get(at + 1).is_none_or(|word| text != "-c" || word.literal);
            if !known || !GIT_KEYS.iter().any(|key| low.starts_with(key)) {
                return Some("it sets a key of git that may run a program");
            }
        }
    }
    None
}
