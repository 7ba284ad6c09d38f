//! The lists.

use super::Support;

/// What a process can keep of a container.
const PROCESS: &[&str] = &[
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "env",
    "envFrom",
    "resources",
];

/// What a process that stays can keep beyond that.
const SERVER: &[&str] = &[
    "ports",
    "readinessProbe",
    "livenessProbe",
    "startupProbe",
    "lifecycle.preStop.sleep",
];

/// What a predictor can keep.
const PREDICTOR: &[&str] = &[
    "name",
    "minReplicas",
    "labels",
    "annotations",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "model.modelFormat",
    "model.runtime",
    "model.storageUri",
    "model.protocolVersion",
];

pub(super) const EXPERIMENT: Support = Support {
    honoured: &[
        (
            "spec",
            &[
                "parameters",
                "objective",
                "algorithm.algorithmSettings",
                "parallelTrialCount",
                "maxTrialCount",
                "maxFailedTrialCount",
                "metricsCollectorSpec.source.filter",
            ],
        ),
        (
            "spec.trialTemplate",
            &[
                "retain",
                "trialParameters",
                "primaryContainerName",
                "primaryPodLabels",
            ],
        ),
        ("spec.trialTemplate.trialSpec", &["metadata"]),
        (
            "spec.trialTemplate.trialSpec.spec",
            &[
                "backoffLimit",
                "activeDeadlineSeconds",
                "ttlSecondsAfterFinished",
                "template.metadata",
            ],
        ),
        (
            "spec.trialTemplate.trialSpec.spec.template.spec",
            &[
                "restartPolicy",
                "serviceAccountName",
                "automountServiceAccountToken",
            ],
        ),
        (
            "spec.trialTemplate.trialSpec.spec.template.spec.containers[]",
            &["name"],
        ),
        (
            "spec.trialTemplate.trialSpec.spec.template.spec.containers[]",
            &["name"],
        ),
        (
            "spec.trialTemplate.trialSpec.spec.template.spec.containers[]",
            PROCESS,
        ),
    ],
    values: &[
        (
            "spec.algorithm.algorithmName",
            &["random", "tpe", "multivariate-tpe"],
        ),
        ("spec.metricsCollectorSpec.collector.kind", &["StdOut"]),
        ("spec.resumePolicy", &["Never"]),
        ("spec.trialTemplate.trialSpec.apiVersion", &["batch/v1"]),
        ("spec.trialTemplate.trialSpec.kind", &["Job"]),
    ],
    refused: &[
        ("spec.nasConfig", "architecture search is Katib's own"),
        ("spec.earlyStopping", "leave it out: every trial runs to its end"),
        ("spec.trialTemplate.configMap", "write the template as trialSpec"),
        (
            "spec.trialTemplate.successCondition",
            "leave it out: a Job's own condition holds",
        ),
        (
            "spec.trialTemplate.failureCondition",
            "leave it out: a Job's own condition holds",
        ),
        (
            "spec.metricsCollectorSpec.source.fileSystemPath",
            "use the StdOut collector",
        ),
        (
            "spec.metricsCollectorSpec.source.httpGet",
            "use the StdOut collector",
        ),
        (
            "spec.metricsCollectorSpec.collector.customCollector",
            "use the StdOut collector",
        ),
    ],
};

pub(super) const RAY_JOB: Support = Support {
    honoured: &[
        (
            "spec",
            &[
                "entrypoint",
                "runtimeEnvYAML",
                "metadata",
                "jobId",
                "entrypointNumCpus",
                "entrypointNumGpus",
                "entrypointResources",
                "backoffLimit",
                "activeDeadlineSeconds",
                "preRunningDeadlineSeconds",
                "shutdownAfterJobFinishes",
                "ttlSecondsAfterFinished",
                "deletionStrategy.deletionRules[].condition",
            ],
        ),
        ("spec.rayClusterSpec", &["rayVersion"]),
        (
            "spec.rayClusterSpec.headGroupSpec.rayStartParams",
            &["dashboard-host", "num-cpus"],
        ),
        (
            "spec.rayClusterSpec.headGroupSpec.template",
            &[
                "metadata",
                "spec.restartPolicy",
                "spec.serviceAccountName",
                "spec.automountServiceAccountToken",
            ],
        ),
        (
            "spec.rayClusterSpec.headGroupSpec.template.spec.containers[]",
            &["name", "ports"],
        ),
        (
            "spec.rayClusterSpec.headGroupSpec.template.spec.containers[]",
            &["name", "ports"],
        ),
        (
            "spec.rayClusterSpec.headGroupSpec.template.spec.containers[]",
            PROCESS,
        ),
    ],
    values: &[
        ("spec.submissionMode", &["HTTPMode", "K8sJobMode"]),
        (
            "spec.deletionStrategy.deletionRules[].policy",
            &["DeleteCluster", "DeleteWorkers", "DeleteNone"],
        ),
        ("spec.rayClusterSpec.authOptions.mode", &["token"]),
    ],
    refused: &[
        (
            "spec.clusterSelector",
            "there is one cluster: write spec.rayClusterSpec",
        ),
        (
            "spec.submitterPodTemplate",
            "no pod submits here: use submissionMode HTTPMode",
        ),
        (
            "spec.submitterConfig",
            "no pod submits here: use submissionMode HTTPMode",
        ),
        ("spec.suspend", "create the job when it may run"),
        ("spec.managedBy", "its own controller answers for it"),
        (
            "spec.rayClusterSpec.workerGroupSpecs",
            "one machine has one node: give the head what the job needs",
        ),
        (
            "spec.rayClusterSpec.enableInTreeAutoscaling",
            "one machine has one node",
        ),
        (
            "spec.rayClusterSpec.autoscalerOptions",
            "one machine has one node",
        ),
    ],
};

pub(super) const INFERENCE_SERVICE: Support = Support {
    honoured: &[
        ("spec.predictor", PREDICTOR),
        ("spec.predictor.model", PROCESS),
        ("spec.predictor.model", SERVER),
        ("spec.canary[]", &["trafficPercent"]),
        ("spec.canary[].predictor", PREDICTOR),
        ("spec.canary[].predictor.model", PROCESS),
        ("spec.canary[].predictor.model", SERVER),
    ],
    values: &[],
    refused: &[
        (
            "spec.predictor.containers",
            "name a serving runtime in spec.predictor.model.runtime",
        ),
        (
            "spec.canary[].predictor.containers",
            "name a serving runtime in its model.runtime",
        ),
        (
            "spec.predictor.maxReplicas",
            "nothing scales here: minReplicas is the number",
        ),
        ("spec.predictor.model.storage", "use storageUri"),
        ("spec.canary[].predictor.model.storage", "use storageUri"),
        ("spec.transformer", "only the predictor is served"),
        ("spec.explainer", "only the predictor is served"),
    ],
};

pub(super) const CLUSTER_SERVING_RUNTIME: Support = Support {
    honoured: &[
        (
            "spec",
            &[
                "supportedModelFormats",
                "protocolVersions",
                "disabled",
                "labels",
                "annotations",
            ],
        ),
        ("spec.containers[]", &["name"]),
        ("spec.containers[]", PROCESS),
        ("spec.containers[]", SERVER),
    ],
    values: &[("spec.multiModel", &["false"])],
    refused: &[
        ("spec.volumes", "the model's files are at /mnt/models"),
        ("spec.grpcEndpoint", "ModelMesh's"),
        ("spec.grpcDataEndpoint", "ModelMesh's"),
        ("spec.httpDataEndpoint", "ModelMesh's"),
        (
            "spec.replicas",
            "ModelMesh's: the InferenceService's minReplicas is the number",
        ),
        ("spec.storageHelper", "ModelMesh's"),
        ("spec.builtInAdapter", "ModelMesh's"),
    ],
};

pub(super) const HTTP_ROUTE: Support = Support {
    honoured: &[
        ("spec", &["hostnames"]),
        (
            "spec.parentRefs[]",
            &["group", "kind", "name", "namespace", "sectionName", "port"],
        ),
        ("spec.rules[]", &["name", "timeouts"]),
        (
            "spec.rules[].matches[]",
            &["path", "headers", "queryParams", "method"],
        ),
        (
            "spec.rules[].backendRefs[]",
            &["name", "namespace", "port", "weight"],
        ),
    ],
    values: &[
        ("spec.rules[].backendRefs[].group", &[""]),
        ("spec.rules[].backendRefs[].kind", &["Service"]),
    ],
    refused: &[
        ("spec.rules[].filters", "requests go on as they came"),
        (
            "spec.rules[].backendRefs[].filters",
            "requests go on as they came",
        ),
        ("spec.rules[].retry", "a request is sent once"),
        (
            "spec.rules[].sessionPersistence",
            "requests are spread by weight alone",
        ),
    ],
};
