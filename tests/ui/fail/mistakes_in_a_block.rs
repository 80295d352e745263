struct Client;

struct Page;

struct Toolbox;

#[rollout::tool(skip_fn(fetsh), tag = ["a"])]
impl Toolbox {
    fn search(&self, client: &Client) -> Page {
        let _ = client;
        Page
    }

    fn fetch(&self, page: u32) -> u32 {
        page
    }
}

#[rollout::tool]
impl Page {
    fn send(&self, client: &Client) -> Page {
        let _ = client;
        Page
    }
}

fn main() {
    Toolbox.search(&Client).send(&Client);
    Toolbox.fetch(1);
}
