use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, UInt64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::total::{Shape, each, out_of_range};

/// Totals of many groups.
#[derive(Debug)]
pub(super) struct Groups {
    shape: Shape,
    totals: Vec<i128>,
    counts: Vec<u64>,
}

impl Groups {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            totals: Vec::new(),
            counts: Vec::new(),
        }
    }

    fn make_room(&mut self, groups: usize) {
        self.totals.resize(groups, 0);
        self.counts.resize(groups, 0);
    }

    fn take(&mut self, emit_to: EmitTo) -> (Vec<i128>, Vec<u64>) {
        let totals = emit_to.take_needed(&mut self.totals);
        (totals, emit_to.take_needed(&mut self.counts))
    }

    fn as_state(&self, totals: Vec<i128>, counts: Vec<u64>) -> Result<Vec<ArrayRef>> {
        let totals = Decimal128Array::from(totals).with_data_type(self.shape.total());
        Ok(vec![Arc::new(totals), Arc::new(UInt64Array::from(counts))])
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        all: usize,
    ) -> Result<()> {
        self.make_room(all);
        let (totals, counts) = (&mut self.totals, &mut self.counts);
        let mut overflows = false;
        each(&values[0], filter, |row, value| {
            let group = groups[row];
            let (total, over) = totals[group].overflowing_add(value);
            totals[group] = total;
            counts[group] += 1;
            overflows |= over;
        });
        match overflows {
            true => Err(out_of_range()),
            false => Ok(()),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (totals, counts) = self.take(emit_to);
        let values = totals.into_iter().zip(counts);
        let values = values.map(|(total, count)| self.shape.finish(total, count));
        Ok(match &self.shape.returns {
            DataType::Int64 => {
                let values = values.map(|value| Ok(value?.map(|value| value as i64)));
                Arc::new(values.collect::<Result<Int64Array>>()?)
            }
            kind => {
                let values = values.collect::<Result<Decimal128Array>>()?;
                Arc::new(values.with_data_type(kind.clone()))
            }
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (totals, counts) = self.take(emit_to);
        self.as_state(totals, counts)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], all: usize) -> Result<()> {
        self.make_room(all);
        let totals = states[0].as_primitive::<Decimal128Type>();
        let counts = states[1].as_primitive::<UInt64Type>();
        for (row, group) in groups.iter().copied().enumerate() {
            if counts.is_null(row) || totals.is_null(row) {
                continue;
            }
            let total = self.totals[group].checked_add(totals.value(row));
            self.totals[group] = total.ok_or_else(out_of_range)?;
            self.counts[group] += counts.value(row);
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let (mut totals, mut counts) = (vec![0; rows], vec![0; rows]);
        each(&values[0], filter, |row, value| {
            totals[row] = value;
            counts[row] = 1;
        });
        self.as_state(totals, counts)
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<u64>()
    }
}
