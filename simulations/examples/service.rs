//! How a service of your own is tested against a simulated cluster: it names what it needs of a cache
//! as a trait, which `chickadee::Cache` fulfils in production and a [`Cluster`] in its tests.
//!
//! The service here remembers which guest has which seat, and must not forget it when machines
//! fail.

use simulations::cluster::{Cluster, Unanswered};

/// What the service needs.
trait Cache {
    type Error;
    fn get(&mut self, key: &str) -> Result<Option<String>, Self::Error>;
    fn set(&mut self, key: &str, value: &str) -> Result<(), Self::Error>;
}

/// The service: which seat a guest has.
struct Seats<C>(C);

impl<C: Cache> Seats<C> {
    fn take(&mut self, guest: &str, seat: u32) -> Result<(), C::Error> {
        self.0.set(&format!("seat/{guest}"), &seat.to_string())
    }

    fn of(&mut self, guest: &str) -> Result<Option<u32>, C::Error> {
        Ok(self.0.get(&format!("seat/{guest}"))?.and_then(|seat| seat.parse().ok()))
    }
}

/// One node of the cluster, which an instance of the service talks to.
struct At<'a>(&'a mut Cluster, usize);

impl Cache for At<'_> {
    type Error = Unanswered;

    fn get(&mut self, key: &str) -> Result<Option<String>, Unanswered> {
        self.0.get(self.1, key)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Unanswered> {
        self.0.set(self.1, key, value)
    }
}

/// The test: an instance at each node; nodes die and are separated; every guest keeps the seat.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for seed in 0..10 {
        let mut cluster = Cluster::new(seed, 5);
        Seats(At(&mut cluster, 0)).take("ann", 1)?;
        cluster.crash(0);
        Seats(At(&mut cluster, 1)).take("bob", 2)?;
        cluster.partition(&[1, 2]);
        cluster.run_for_ms(15_000);
        Seats(At(&mut cluster, 3)).take("ann", 3)?;
        cluster.unite();
        cluster.start(0);
        cluster.settle()?;
        for node in 0..5 {
            assert_eq!(Seats(At(&mut cluster, node)).of("ann")?, Some(3), "seed {seed}");
            assert_eq!(Seats(At(&mut cluster, node)).of("bob")?, Some(2), "seed {seed}");
        }
        cluster.check()?;
    }
    println!("10 seeds: every guest has the seat that was taken last");
    Ok(())
}
