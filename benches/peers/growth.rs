//! What one more client, room or message costs, and a plot of it.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::case::greet;
use crate::load::{Load, Pace};
use crate::server::{Server, chat};
use crate::talk::Talk;

/// Measures the chat as it grows in four ways, prints a table, and draws a plot.
pub(crate) fn measure(time: Duration) {
    let megabyte = |bytes: u64| bytes as f64 / 1e6;
    let charts = [
        Chart::new("memory, MB", "clients in one room", PEOPLE, |count| {
            let server = chat().start("");
            let _load = crowd(&server, count, |_| 0);
            megabyte(server.memory())
        }),
        Chart::new(
            "memory, MB",
            "clients, each in a room of its own",
            PEOPLE,
            |count| {
                let server = chat().start("");
                let _load = crowd(&server, count, |place| place);
                megabyte(server.memory())
            },
        ),
        Chart::new(
            "% of a processor",
            "messages a second to 1,000",
            RATES,
            |rate| share(1_000, rate, time),
        ),
        Chart::new(
            "% of a processor",
            "clients that get 20 messages a second",
            CROWDS,
            |count| share(count, 20, time),
        ),
    ];
    for chart in &charts {
        chart.print();
    }
    fs::write(PLOT, plot(&charts)).unwrap();
    println!("{PLOT} shows it");
}

/// Clients that have said hello and joined.
fn crowd(server: &Server, count: usize, room: impl Fn(usize) -> usize) -> Load {
    let groups: Vec<usize> = (0..count).map(&room).collect();
    Load::connect(server, &groups, |stream, place| {
        greet(stream, place, room(place))
    })
}

/// Per cent of a processor that so many messages a second to so many clients take.
fn share(clients: usize, rate: usize, time: Duration) -> f64 {
    let server = chat().start("");
    let mut load = crowd(&server, clients, |_| 0);
    let pace = Pace::PerSecond(u32::try_from(rate).unwrap());
    let window = load.work(&server, &Talk::chat(64), 10, pace, time);
    100.0 * window.processor.as_secs_f64() / window.took.as_secs_f64()
}

struct Chart {
    y: &'static str,
    x: &'static str,
    points: Vec<(f64, f64)>,
}

impl Chart {
    fn new(
        y: &'static str,
        x: &'static str,
        at: [usize; 5],
        measure: impl Fn(usize) -> f64,
    ) -> Self {
        let points = at.map(|x| (x as f64, measure(x))).to_vec();
        Chart { y, x, points }
    }

    fn print(&self) {
        println!("{} of {}:", self.y, self.x);
        for (x, y) in &self.points {
            println!("{x:>8} {y:>8.2}");
        }
        let ((x0, y0), (x1, y1)) = (self.points[0], self.points[self.points.len() - 1]);
        println!("a thousand more: {:.3}", 1e3 * (y1 - y0) / (x1 - x0));
    }

    /// Drawn with its upper left corner there.
    fn draw(&self, left: f64, top: f64, svg: &mut String) {
        let most = |of: fn(&(f64, f64)) -> f64| self.points.iter().map(of).fold(0.0, f64::max);
        let (max_x, max_y) = (most(|point| point.0), round_up(most(|point| point.1)));
        let at = |(x, y): (f64, f64)| (left + WIDTH * x / max_x, top + HEIGHT - HEIGHT * y / max_y);
        let line = self.points.iter().map(|&point| at(point));
        let line: String = line.map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
        let (bottom, right) = (top + HEIGHT, left + WIDTH);
        let _ = write!(
            svg,
            "<path d='M{left} {top}V{bottom}H{right}' class='axis'/>\n\
             <polyline points='{line}'/>\n\
             <text x='{left}' y='{title}'>{y}</text>\n\
             <text x='{right}' y='{below}' text-anchor='end'>{x}: {max_x}</text>\n\
             <text x='{beside}' y='{ascent}' text-anchor='end'>{max_y}</text>\n\
             <text x='{beside}' y='{bottom}' text-anchor='end'>0</text>\n",
            title = top - 8.0,
            below = bottom + 16.0,
            beside = left - 6.0,
            ascent = top + 10.0,
            x = self.x,
            y = self.y,
        );
        for (x, y) in self.points.iter().map(|&point| at(point)) {
            let _ = writeln!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='3'/>");
        }
    }
}

fn plot(charts: &[Chart]) -> String {
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 720 460' font-family='sans-serif' font-size='12'>\n\
         <style>.axis{fill:none;stroke:#888}polyline{fill:none;stroke:#2a78b8;stroke-width:2}\
         circle{fill:#2a78b8}</style>\n<rect width='720' height='460' fill='#fff'/>\n",
    );
    for (place, chart) in charts.iter().enumerate() {
        let (column, row) = ((place % 2) as f64, (place / 2) as f64);
        chart.draw(50.0 + 350.0 * column, 40.0 + 230.0 * row, &mut svg);
    }
    svg + "</svg>\n"
}

/// The next number that has one digit but for zeros, or one and a half.
fn round_up(value: f64) -> f64 {
    let step = 10_f64.powf(value.log10().floor()) / 2.0;
    (value / step).ceil() * step
}

const WIDTH: f64 = 280.0;
const HEIGHT: f64 = 150.0;

const PEOPLE: [usize; 5] = [1, 2_500, 5_000, 10_000, 15_000];
const RATES: [usize; 5] = [10, 100, 200, 400, 1_000];
const CROWDS: [usize; 5] = [100, 1_000, 2_500, 5_000, 10_000];

/// Where the plot is put.
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/growth.svg");
