//! KEDA's `kafka` trigger: the same metadata accepted and refused.

use super::*;

/// The cases of KEDA's own test of its `kafka` trigger that are about lag.
#[test]
fn what_keda_accepts_is_accepted() {
    let cases: &[Pairs<'_>] = &[
        &[],
        &[("partitionLimitation", "1,2,3,4,5,6")],
        &[("partitionLimitation", "           ")],
        &[("partitionLimitation", "")],
        &[
            TOPIC,
            ("lagThreshold", "1000000"),
            ("activationLagThreshold", "0"),
        ],
        &[TOPIC, ("partitionLimitation", "1,2,3,4")],
        &[TOPIC, ("partitionLimitation", "1-4")],
        &[TOPIC, ("partitionLimitation", "1-4,8,10-12")],
        &[TOPIC, ("offsetResetPolicy", "latest")],
        &[TOPIC, ("offsetResetPolicy", "earliest")],
        &[TOPIC, ("allowIdleConsumers", "true")],
        &[TOPIC, ("allowIdleConsumers", "T")],
        &[TOPIC, ("excludePersistentLag", "1")],
        &[
            TOPIC,
            ("version", "1.0.0"),
            ("tls", "enable"),
            ("sasl", "none"),
        ],
        &[TOPIC, ("limitToPartitionsWithLag", "true")],
        &[
            TOPIC,
            ("allowIdleConsumers", "true"),
            ("limitToPartitionsWithLag", "false"),
        ],
        &[TOPIC, ("ensureEvenDistributionOfPartitions", "true")],
        &[
            TOPIC,
            ("ensureEvenDistributionOfPartitions", "true"),
            ("allowIdleConsumers", "true"),
        ],
    ];
    for case in cases {
        only(&[&[GROUP][..], case].concat());
    }
}

#[test]
fn what_keda_refuses_is_refused() {
    let cases: &[(Pairs<'_>, &str)] = &[
        (
            &[TOPIC, ("lagThreshold", "-1")],
            "lagThreshold is \"-1\", accepted is a number above 0",
        ),
        (&[TOPIC, ("lagThreshold", "0")], "lagThreshold is \"0\""),
        (&[TOPIC, ("lagThreshold", "AA")], "lagThreshold is \"AA\""),
        (
            &[TOPIC, ("activationLagThreshold", "-1")],
            "activationLagThreshold is \"-1\", accepted is a number of at least 0",
        ),
        (
            &[TOPIC, ("activationLagThreshold", "AA")],
            "activationLagThreshold",
        ),
        (
            &[TOPIC, ("partitionLimitation", "a,b,c,d")],
            "partitionLimitation is \"a,b,c,d\", accepted is partitions and ranges",
        ),
        (
            &[TOPIC, ("offsetResetPolicy", "foo")],
            "offsetResetPolicy is \"foo\", accepted is \"latest\" or \"earliest\"",
        ),
        (
            &[TOPIC, ("allowIdleConsumers", "notvalid")],
            "allowIdleConsumers is \"notvalid\", accepted is \"true\" or \"false\"",
        ),
        (
            &[TOPIC, ("excludePersistentLag", "notvalid")],
            "excludePersistentLag",
        ),
        (
            &[TOPIC, ("limitToPartitionsWithLag", "notvalid")],
            "limitToPartitionsWithLag",
        ),
        (
            &[
                TOPIC,
                ("allowIdleConsumers", "true"),
                ("limitToPartitionsWithLag", "true"),
            ],
            "limitToPartitionsWithLag is \"true\", accepted is nothing beside allowIdleConsumers",
        ),
        (
            &[("limitToPartitionsWithLag", "true")],
            "limitToPartitionsWithLag is \"true\", accepted is \"false\" without a topic",
        ),
        (
            &[("ensureEvenDistributionOfPartitions", "true")],
            "ensureEvenDistributionOfPartitions is \"true\", accepted is \"false\" without a topic",
        ),
        (
            &[
                TOPIC,
                ("ensureEvenDistributionOfPartitions", "true"),
                ("limitToPartitionsWithLag", "true"),
            ],
            "ensureEvenDistributionOfPartitions is \"true\", accepted is nothing beside \
             limitToPartitionsWithLag",
        ),
    ];
    for (case, expected) in cases {
        let message = refusal(&[&[GROUP][..], case].concat());
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message:?}"
        );
    }
    let message = refusal(&[]);
    assert!(
        message.contains("consumerGroup is missing, accepted is the group.id"),
        "{message}"
    );
}

#[test]
fn kedas_flags_become_a_policy() {
    let bound = |flags: Pairs<'_>| policy(&[&[GROUP, TOPIC][..], flags].concat()).bound;
    assert_eq!(bound(&[("allowIdleConsumers", "true")]), Bound::None);
    assert_eq!(
        bound(&[("limitToPartitionsWithLag", "true")]),
        Bound::PartitionsWithLag
    );
    let evenly = ("ensureEvenDistributionOfPartitions", "true");
    assert_eq!(bound(&[evenly]), Bound::EvenDistribution);
    assert_eq!(
        bound(&[evenly, ("allowIdleConsumers", "true")]),
        Bound::EvenDistribution
    );

    let persistent = |more: Pairs<'_>| {
        let flag = [GROUP, ("excludePersistentLag", "true")];
        policy(&[&flag[..], more].concat()).persistent_after
    };
    assert_eq!(persistent(&[]), Some(Duration::from_secs(300)));
    assert_eq!(
        persistent(&[("persistentLagPeriod", "1h")]),
        Some(Duration::from_secs(3_600))
    );
    assert_eq!(
        persistent(&[("compatibility", "keda")]),
        Some(Duration::ZERO)
    );
}
