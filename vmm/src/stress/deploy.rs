//! What the files of `deploy/` start, read as a cluster, a workflow and a shell would, and given to pteg's own command line.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::StressArgs;
use crate::cli;

/// The documents of a file.
fn documents(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `script` starts as pteg, once, in a shell with these variables and no others.
fn started(script: &str, variables: &[(String, String)]) -> StressArgs {
    // In the way of the programs stand functions: one does nothing, the other says its words. No file of this machine is to be one of them.
    let script = script.replace("exec pteg ", "pteg ").replace("./pteg ", "pteg ");
    let script = format!("mkdir() {{ :; }}; pteg() {{ printf '%s\\n' pteg \"$@\"; }}\n{script}");
    let mut shell = Command::new("sh");
    shell.args(["-feuc", &script]).env_clear();
    let output = shell.envs(variables.iter().cloned()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let words: Vec<_> = said.lines().map(Into::into).collect();
    match cli::parse_from(&words) {
        Ok(cli::Command::Stress(args)) => args,
        other => panic!("{words:?} is not what pteg stress takes: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| panic!("{value} is no text"))
}

/// The first seeds of a run.
fn seeds(args: &StressArgs) -> impl Iterator<Item = u64> {
    args.shard.seeds(args.seed.unwrap()).take(10_000)
}

/// The script of a Job's only container, and the variables that it is given in the pod of this name.
fn container(job: &Value, pod: &str) -> (String, Vec<(String, String)>) {
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example/pteg:campaign");
    assert_eq!(container["command"], serde_json::json!(["sh", "-euc"]));
    let variables = container["env"].as_array().into_iter().flatten();
    let variables = variables.map(|variable| {
        let value = match &variable["valueFrom"] {
            Value::Null => text(&variable["value"]),
            from => {
                assert_eq!(from, &serde_json::json!({"fieldRef": {"fieldPath": "metadata.name"}}));
                pod.to_owned()
            }
        };
        (text(&variable["name"]), value)
    });
    (text(&container["args"][0]), variables.collect())
}

#[test]
fn the_pods_of_all_jobs_share_the_seeds_and_write_files_of_their_own() {
    let all = documents("kubernetes.yaml");
    let (claims, jobs): (Vec<_>, Vec<_>) = all.iter().partition(|it| it["kind"] == "PersistentVolumeClaim");
    assert_eq!((claims.len(), jobs.len()), (1, 2));
    let (mut used, mut files) = (BTreeSet::new(), BTreeSet::new());
    for job in jobs {
        assert_eq!(
            (&job["kind"], &job["spec"]["completionMode"]),
            (&"Job".into(), &"Indexed".into())
        );
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["restartPolicy"], "Never");
        assert_eq!(
            pod["volumes"][0]["persistentVolumeClaim"]["claimName"],
            claims[0]["metadata"]["name"]
        );
        for index in 0..job["spec"]["completions"].as_u64().unwrap() {
            // The second takes the place of the first, whose node has gone away.
            for suffix in ["abcde", "fghij"] {
                let pod = format!("{}-{index}-{suffix}", text(&job["metadata"]["name"]));
                let (script, mut variables) = container(job, &pod);
                variables.push(("JOB_COMPLETION_INDEX".to_owned(), index.to_string()));
                let args = started(&script, &variables);
                for seed in seeds(&args) {
                    let is_replaced = suffix == "fghij";
                    assert!(used.insert(seed) != is_replaced, "{seed}: {args:?}");
                }
                for file in [args.json.as_ref().unwrap(), args.report.as_ref().unwrap()] {
                    assert!(
                        file.starts_with("/results/1000000") && files.insert(file.clone()),
                        "{args:?}"
                    );
                }
            }
        }
    }
    assert_eq!(files.len(), 80);
    let report = documents("kubernetes-report.yaml");
    let (script, variables) = container(&report[0], "report");
    let args = started(&script, &variables);
    assert_eq!(args.from, [Path::new("/results/1000000/*.json")]);
    assert_eq!(args.report.as_deref(), Some(Path::new("/results/1000000/rounds.html")));
}

/// A node is for one of the Jobs, by its labels.
#[test]
fn nodes_that_have_kvm_are_for_the_guests_that_run_on_it() {
    let all = documents("kubernetes.yaml");
    let jobs = all.iter().filter(|it| it["kind"] == "Job");
    let of = |job: &Value| {
        let pod = &job["spec"]["template"]["spec"];
        let affinity = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let by_label = &affinity["nodeSelectorTerms"][0]["matchExpressions"][1];
        assert_eq!(
            (&by_label["key"], &by_label["values"][0]),
            (&"pteg/kvm".into(), &"true".into())
        );
        let has_device = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["hostPath"]["path"] == "/dev/kvm");
        (
            text(&by_label["operator"]),
            has_device,
            container(job, "pod").0.contains("--accel kvm"),
        )
    };
    let jobs: Vec<_> = jobs.map(of).collect();
    assert_eq!(
        jobs,
        [("NotIn".to_owned(), false, false), ("In".to_owned(), true, true)]
    );
}

#[test]
fn the_jobs_of_the_workflow_share_the_seeds_and_are_told_of_on_one_page() {
    let workflow = documents("github.yml").remove(0);
    let inputs = &workflow["on"]["workflow_dispatch"]["inputs"];
    let stress = &workflow["jobs"]["stress"];
    let steps = |job: &Value| job["steps"].as_array().unwrap().clone();
    let runs_pteg = |step: &Value| step["run"].as_str().is_some_and(|run| run.contains("pteg stress"));
    let run = steps(stress).into_iter().find(runs_pteg).unwrap();
    let mut used = BTreeSet::new();
    let shards = stress["strategy"]["matrix"]["shard"].as_array().unwrap();
    for shard in shards {
        let expanded = |value: &Value| {
            let mut value = text(value).replace("${{ matrix.shard }}", &shard.to_string());
            for name in ["seconds", "seed"] {
                value = value.replace(&format!("${{{{ inputs.{name} }}}}"), &text(&inputs[name]["default"]));
            }
            assert!(!value.contains("${{"), "{value}");
            value
        };
        let variables = stress["env"].as_object().unwrap().iter();
        let variables: Vec<_> = variables.map(|(name, value)| (name.clone(), expanded(value))).collect();
        let args = started(&text(&run["run"]), &variables);
        for seed in seeds(&args) {
            assert!(used.insert(seed), "{seed} again: {args:?}");
        }
        let json = format!("rounds-{shard}.json");
        assert_eq!(args.json.as_deref(), Some(Path::new(&json)));
        let kept = steps(stress)
            .into_iter()
            .filter(|step| step["with"]["path"].is_string());
        let kept: Vec<_> = kept.map(|step| expanded(&step["with"]["path"])).collect();
        assert_eq!(kept, [json]);
    }
    assert_eq!(shards.len(), 8);
    let run = steps(&workflow["jobs"]["report"]).into_iter().find(runs_pteg).unwrap();
    let args = started(&text(&run["run"]), &[]);
    assert_eq!(args.from, [Path::new("rounds-*.json")]);
    assert_eq!(args.report.as_deref(), Some(Path::new("rounds.html")));
}
