//! Packages as they are read: what is refused, and where the message points.

use pipeline_spec::{Limits, Pipeline, SpecError};
use rstest::rstest;

const HELLO: &str = include_str!("packages/hello.yaml");

fn refused(text: &str) -> String {
    let parsed = Pipeline::parse(text, &Limits::default());
    parsed.expect_err("this text is no pipeline").to_string()
}

/// `hello.yaml` with one line replaced.
fn with(line: &str, replacement: &str) -> String {
    assert!(HELLO.contains(line), "the fixture has no line `{line}`");
    HELLO.replacen(line, replacement, 1)
}

#[test]
fn a_package_is_read_from_yaml_and_from_json() {
    let pipeline = Pipeline::parse(HELLO, &Limits::default()).unwrap();
    assert!(pipeline.findings().is_empty());
    let bare = Pipeline::parse(&pipeline.spec_json().to_string(), &Limits::default()).unwrap();
    assert_eq!(bare.spec(), pipeline.spec());
    let wrapped =
        serde_json::json!({"pipeline_spec": pipeline.spec_json(), "platform_spec": {"platforms": {}}});
    let wrapped = Pipeline::parse(&wrapped.to_string(), &Limits::default()).unwrap();
    assert_eq!(wrapped.spec(), pipeline.spec());
    assert_eq!(wrapped.to_json()["pipeline_spec"], *pipeline.spec_json());
}

#[test]
fn a_parameter_may_be_called_what_old_yaml_took_for_a_boolean() {
    let package = HELLO.replace("who", "n");
    let pipeline = Pipeline::parse(&package, &Limits::default()).unwrap();
    assert!(pipeline.spec().root.inputs.parameters.contains_key("n"));
}

#[rstest]
#[case::field(
    with("executorLabel: exec-greet", "executor: exec-greet"),
    "3:5: components.comp-greet.executor: unknown field `executor`, expected one of `inputDefinitions`, \
     `outputDefinitions`, `dag`, `executorLabel`, `singlePlatformSpecs`, `taskConfigPassthroughs`"
)]
#[case::enum_value(
    with("parameterType: STRING", "parameterType: TEXT"),
    "7:26: components.comp-greet.inputDefinitions.parameters.who.parameterType: unknown variant `TEXT`, expected one \
     of `PARAMETER_TYPE_ENUM_UNSPECIFIED`, `NUMBER_DOUBLE`, `NUMBER_INTEGER`, `STRING`, `BOOLEAN`, `LIST`, `STRUCT`, \
     `TASK_FINAL_STATUS`, `TASK_CONFIG`"
)]
#[case::component(
    with("name: comp-greet", "name: comp-wave"),
    "39:11: root.dag.tasks.greet.componentRef.name: the pipeline has no component `comp-wave`"
)]
#[case::executor(
    with("executorLabel: exec-greet", "executorLabel: exec-wave"),
    "3:5: components.comp-greet.executorLabel: the deployment spec has no executor `exec-wave`"
)]
#[case::component_input(
    with("componentInputParameter: who", "componentInputParameter: whom"),
    "42:13: root.dag.tasks.greet.inputs.parameters.who: the component has no input parameter `whom`"
)]
#[case::producer(
    with("producerSubtask: greet", "producerSubtask: wave"),
    "30:9: root.dag.outputs.parameters.Output: the DAG has no task `wave`"
)]
#[case::placeholder(
    with("inputs.parameters['who']", "inputs.parameters['whom']"),
    "17:11: deploymentSpec.executors.exec-greet.container.args[0]: the component has no such input or output: \
     `{{$.inputs.parameters['whom']}}`"
)]
#[case::types(with("componentInputParameter: who", "runtimeValue: {constant: [1]}").replacen("STRING", "BOOLEAN", 1),
    "42:13: root.dag.tasks.greet.inputs.parameters.who: a value of type LIST where `who` takes BOOLEAN")]
#[case::condition(
    with("taskInfo:", "triggerPolicy: {condition: 'inputs.x =='}\n        taskInfo:"),
    "44:25: root.dag.tasks.greet.triggerPolicy.condition: `inputs.x ==` is no CEL expression: 1:12: Syntax error: \
     mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, \
     NUM_UINT, STRING, BYTES, IDENTIFIER}"
)]
#[case::waits_for_itself(
    with("taskInfo:", "dependentTasks: [greet]\n        taskInfo:"),
    "35:7: root.dag.tasks.greet: tasks wait for one another in a cycle: greet → greet\n\
     44:26: root.dag.tasks.greet.dependentTasks[0]: a task cannot wait for itself"
)]
#[case::schema(
    with("schemaVersion: 2.1.0", "schemaVersion: 2.0.0"),
    "56:1: schemaVersion: schema version `2.0.0` where 2.1.0 is read"
)]
#[case::name(
    with("name: hello", "name: Hello World"),
    "25:3: pipelineInfo.name: `Hello World` is no pipeline name: lower-case letters, digits, `-` and `.`, a letter or \
     digit at both ends"
)]
#[case::input(
    with(
        "componentInputParameter: who",
        "componentInputParameter: who\n              runtimeValue: {constant: 1}"
    ),
    "43:15: root.dag.tasks.greet.inputs.parameters.who: an input parameter needs one of `taskOutputParameter`, \
     `runtimeValue`, `componentInputParameter`, `taskFinalStatus`"
)]
fn what_is_wrong_is_said_with_its_place(#[case] text: String, #[case] message: &str) {
    assert_eq!(refused(&text), message);
}

#[rstest]
#[case::nothing("", "the text has no pipeline spec in it")]
#[case::comment("# only\n", "the text has no pipeline spec in it")]
#[case::scalar("just text", "a pipeline spec is a mapping")]
#[case::twice("root: {}\n---\nroot: {}\n", "the text has two pipeline specs")]
fn a_text_without_a_pipeline_is_refused(#[case] text: &str, #[case] message: &str) {
    assert_eq!(refused(text), message);
}

#[rstest]
#[case::nesting("root: ".to_owned() + &"[".repeat(10_000))]
#[case::block_nesting((0..2_000).map(|depth| " ".repeat(depth) + "a:\n").collect::<String>())]
#[case::aliases(billion_laughs())]
#[case::nodes("root: [".to_owned() + &"1,".repeat(60_000) + "]")]
fn a_text_made_to_exhaust_is_refused_in_bounded_time(#[case] text: String) {
    let started = std::time::Instant::now();
    let limits = Limits {
        nodes: 50_000,
        ..Limits::default()
    };
    let error = Pipeline::parse(&text, &limits).unwrap_err();
    assert!(
        matches!(error, SpecError::Yaml { .. } | SpecError::TooLarge { .. }),
        "{error}"
    );
    assert!(started.elapsed().as_secs() < 20, "took {:?}", started.elapsed());
}

fn billion_laughs() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{below}]\n");
    }
    text
}

#[test]
fn a_text_beyond_the_size_is_not_even_read() {
    let limits = Limits {
        bytes: 100,
        ..Limits::default()
    };
    assert_eq!(
        Pipeline::parse(HELLO, &limits).unwrap_err(),
        SpecError::TooLarge {
            bytes: HELLO.len(),
            limit: 100
        }
    );
}
