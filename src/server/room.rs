//! How many connections there is room for, in all and for one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// The connections that are open, counted.
#[derive(Debug, Default)]
pub(super) struct Room {
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection among all; dropped with it.
#[derive(Debug)]
pub(super) struct Place(Arc<Room>);

/// One connection among those of its address; dropped with it.
#[derive(Debug)]
pub(super) struct PlaceOfAddress(Arc<Room>, IpAddr);

impl Room {
    /// A place among at most `most`.
    pub(super) fn take(self: &Arc<Self>, most: usize) -> Option<Place> {
        let place = Place(Arc::clone(self));
        (self.open.fetch_add(1, Ordering::AcqRel) < most).then_some(place)
    }

    /// A place among at most `most` of this address.
    pub(super) fn take_of(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<PlaceOfAddress> {
        let address = counted_as(address);
        let mut by_address = self.by_address.lock();
        let open = by_address.entry(address).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(PlaceOfAddress(Arc::clone(self), address))
    }
}

/// A subscriber has a whole IPv6 network of 64 bits.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for PlaceOfAddress {
    fn drop(&mut self) {
        let mut by_address = self.0.by_address.lock();
        if let Some(open) = by_address.get_mut(&self.1) {
            *open -= 1;
            if *open == 0 {
                by_address.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let room = Arc::new(Room::default());
        let places: Vec<_> = (0..3).map(|_| room.take(2)).collect();
        assert_eq!(places.iter().flatten().count(), 2);
        drop(places);
        assert!(room.take(1).is_some());
    }

    #[test]
    fn addresses_are_counted_apart_and_networks_of_ipv6_together() {
        let room = Arc::new(Room::default());
        let take = |address: &str| room.take_of(address.parse().unwrap(), 1);
        let one = take("192.0.2.1");
        assert!(one.is_some() && take("192.0.2.1").is_none() && take("::ffff:192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some());
        drop(one);
        assert!(take("192.0.2.1").is_some());
        let six = take("2001:db8:0:1::1");
        assert!(six.is_some() && take("2001:db8:0:1:ffff::2").is_none() && take("2001:db8:0:2::1").is_some());
        drop(six);
        assert!(room.by_address.lock().is_empty());
    }
}
