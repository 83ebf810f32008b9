//! `libmpr.so` (`mpr.dll`): the functions of [`mpr_capi`] and nothing else.

extern crate mpr_capi as _;
