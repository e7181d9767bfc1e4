//! Writes metric families one by one.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

/// A page of metric families that is being written.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

/// A family's name, with what it measures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

pub(super) const fn family(name: &'static str, help: &'static str) -> Family {
    Family { name, help }
}

impl Family {
    /// The unit that its name ends in.
    pub(crate) fn unit(self) -> Option<&'static Unit> {
        let (_, last) = self.name.rsplit_once('_')?;
        [&Unit::Seconds, &Unit::Bytes]
            .into_iter()
            .find(|unit| unit.as_str() == last)
    }
}

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A gauge without labels.
    pub(super) fn gauge<V: EncodeGaugeValue>(&mut self, family: Family, value: V) -> fmt::Result {
        self.begin(family, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A gauge with a sample for each set of labels.
    pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Gauge)?;
        for (labels, value) in samples {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A counter without labels; `_total` is added to its name.
    pub(super) fn counter(&mut self, family: Family, value: u64) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// A counter with a sample for each set of labels; `_total` is added to
    /// its name.
    pub(super) fn counters<L: EncodeLabelSet>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Counter)?;
        for (labels, value) in samples {
            let mut encoder = encoder.encode_family(&labels)?;
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Facts in the labels of a constant; `_info` is added to its name.
    pub(super) fn info(&mut self, family: Family, labels: &impl EncodeLabelSet) -> fmt::Result {
        self.begin(family, MetricType::Info)?.encode_info(labels)
    }

    fn begin(
        &mut self,
        family: Family,
        metric_type: MetricType,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        let Family { name, help } = family;
        // The unit is told, and written behind the name.
        let (name, unit) = match family.unit() {
            Some(unit) => (name.trim_end_matches(unit.as_str()), Some(unit)),
            None => (name, None),
        };
        let name = name.trim_end_matches('_');
        self.0.encode_descriptor(name, help, unit, metric_type)
    }
}
