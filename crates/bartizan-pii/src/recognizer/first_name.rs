//! Which words are first names? Those that many people bear where the languages of this crate are spoken, and
//! some of their neighbours.
//!
//! Left out are names that begin a sentence, a place or a street as often as a name: Will, Mark, May, Paris,
//! Virginia. A list of our own making: no register was copied.

use std::sync::LazyLock;

/// Whether this is a first name as it is written in running text, with one capital; the part before a hyphen
/// decides on one of two parts.
pub(crate) fn is_first_name(word: &[u8]) -> bool {
    let first = word.split(|byte| *byte == b'-').next().unwrap_or_default();
    (3..=LONGEST).contains(&first.len())
        && SIEVE.has(first)
        && FIRST_NAMES.binary_search_by(|name| name.as_bytes().cmp(first)).is_ok()
}

/// One bit for each of so many sums of letters: every word with a capital is asked for, and few are names.
struct Sieve([u64; 256]);

static SIEVE: LazyLock<Sieve> = LazyLock::new(|| {
    let mut sieve = Sieve([0; 256]);
    for name in FIRST_NAMES {
        let (place, bit) = Sieve::place(name.as_bytes());
        if let Some(word) = sieve.0.get_mut(place) {
            *word |= 1 << bit;
        }
    }
    sieve
});

impl Sieve {
    fn has(&self, word: &[u8]) -> bool {
        let (place, bit) = Self::place(word);
        self.0.get(place).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    fn place(word: &[u8]) -> (usize, u32) {
        let sum =
            word.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(0x0100_0193) ^ u32::from(*byte));
        let sum = sum ^ sum >> 15;
        ((sum & 255) as usize, sum >> 8 & 63)
    }
}

/// The length of the longest one, in bytes.
const LONGEST: usize = 12;

/// In the order of their bytes.
#[rustfmt::skip]
static FIRST_NAMES: &[&str] = &[
    "Aarti", "Abby", "Abdul", "Abdullah", "Abigail", "Adam", "Adriana", "Adrián", "Agnieszka",
    "Agnès", "Agustín", "Ahmed", "Ahmet", "Aino", "Aisha", "Ajay", "Akiko", "Akira", "Alain",
    "Alan", "Albert", "Alberto", "Aldo", "Alejandra", "Alejandro", "Aleksandra", "Alessandro",
    "Alessia", "Alex", "Alexander", "Alexei", "Alexey", "Alexis", "Alfie", "Alfonso", "Alice",
    "Alicia", "Alicja", "Aline", "Alistair", "Amanda", "Amina", "Amit", "Amparo", "Amy", "Amélie",
    "Ana", "Anastasia", "Anatoly", "Anaïs", "Anders", "Andrea", "Andreas", "Andreea", "Andrei",
    "Andrew", "Andrey", "Andrzej", "André", "Andrés", "Andy", "Aneta", "Angela", "Angelika",
    "Angelo", "Anil", "Anita", "Anja", "Anjali", "Anke", "Anna", "Anne", "Anneke", "Annette",
    "Annie", "Annika", "Anouk", "Anthony", "Antje", "Antoine", "Antonella", "Antoni", "Antonia",
    "Antonio", "Antti", "António", "Arjan", "Arjun", "Armando", "Arne", "Artur", "Arturo", "Ashley",
    "Ashok", "Astrid", "Attila", "Aurélie", "Ayumi", "Ayşe", "Baptiste", "Barbara", "Bart",
    "Bartosz", "Beata", "Beatrice", "Beatriz", "Becky", "Begoña", "Ben", "Bengt", "Benjamin",
    "Benoît", "Bente", "Bernard", "Bernd", "Beth", "Bettina", "Betty", "Bianca", "Bilal", "Billy",
    "Birgit", "Birgitta", "Björn", "Bjørn", "Bobby", "Bogdan", "Boris", "Bożena", "Bram", "Brandon",
    "Brenda", "Brian", "Brigitte", "Britta", "Brittany", "Bruce", "Bruna", "Bruno", "Bryan",
    "Burak", "Büşra", "Caio", "Caleb", "Callum", "Camila", "Camilla", "Camille", "Carl", "Carlo",
    "Carlos", "Carmen", "Carol", "Caroline", "Carolyn", "Catalina", "Catarina", "Caterina",
    "Catherine", "Cathy", "Chantal", "Charles", "Charlène", "Cheryl", "Chiara", "Chloe", "Chris",
    "Christa", "Christian", "Christina", "Christine", "Christoph", "Christophe", "Christopher",
    "Claire", "Clara", "Claudia", "Claudio", "Clive", "Clément", "Colin", "Concepción", "Connor",
    "Constantin", "Coralie", "Corentin", "Cornelia", "Cornelis", "Cristina", "Cynthia", "Czesław",
    "Cécile", "Cédric", "Céline", "César", "Daan", "Dagmar", "Daisuke", "Damian", "Damien", "Dan",
    "Daniel", "Daniela", "Daniele", "Danielle", "Danuta", "Dariusz", "Dave", "David", "Davide",
    "Debbie", "Deborah", "Debra", "Declan", "Deepak", "Deepika", "Delphine", "Denis", "Denise",
    "Dennis", "Detlef", "Diana", "Diane", "Didier", "Dieter", "Dimitris", "Dirk", "Divya", "Dmitri",
    "Dmitry", "Domenico", "Dominik", "Dominique", "Donald", "Donatella", "Donna", "Doris", "Dorota",
    "Dorothy", "Douglas", "Dragan", "Duarte", "Duncan", "Dylan", "Eckhard", "Edith", "Edoardo",
    "Eduardo", "Edward", "Edyta", "Eero", "Egon", "Ekaterina", "Eleanor", "Elena", "Eleni",
    "Eleonora", "Elfriede", "Elif", "Elijah", "Eline", "Elisa", "Elisabeth", "Elizabeth", "Elke",
    "Ella", "Ellie", "Elliot", "Elżbieta", "Emanuele", "Emilio", "Emily", "Emine", "Emma",
    "Emmanuel", "Emre", "Encarnación", "Enrico", "Enrique", "Eric", "Erich", "Erik", "Erika",
    "Erin", "Ernesto", "Ernst", "Erzsébet", "Esmee", "Esra", "Esteban", "Estelle", "Esther",
    "Ethan", "Eugene", "Eugeniusz", "Eva", "Evan", "Evelyn", "Ewa", "Ewelina", "Fabian", "Fabien",
    "Fabio", "Fabrice", "Faisal", "Fatima", "Fatma", "Federica", "Federico", "Felipe", "Felix",
    "Femke", "Ferenc", "Fernanda", "Fernando", "Filip", "Filipa", "Filippo", "Finn", "Fiona",
    "Fleur", "Florian", "Frances", "Francesca", "Francesco", "Francisca", "Franciszek", "Frank",
    "Franziska", "François", "Françoise", "Fred", "Fredrik", "Freya", "Friedrich", "Frits", "Fritz",
    "Frédéric", "Fábio", "Fátima", "Gabriel", "Gabriela", "Gabriele", "Galina", "Gareth", "Gary",
    "Gavin", "Gaëlle", "Geir", "Gemma", "Geneviève", "George", "Gerald", "Gerda", "Gerhard",
    "Germán", "Gerrit", "Gertrud", "Gheorghe", "Giacomo", "Gianluca", "Gijs", "Gilles", "Gillian",
    "Giorgia", "Giorgio", "Giorgos", "Giovanna", "Giovanni", "Gisela", "Giulia", "Giuseppe",
    "Giuseppina", "Gloria", "Gonzalo", "Gonçalo", "Goran", "Gottfried", "Graciela", "Graham",
    "Grażyna", "Greg", "Gregor", "Gregory", "Greta", "Grzegorz", "Gudrun", "Guillaume", "Guillermo",
    "Gunilla", "Gunnar", "Gustavo", "Gábor", "Gérard", "Göran", "Günter", "Günther", "Halina",
    "Hana", "Hanife", "Hannah", "Hanne", "Hanneke", "Hannelore", "Hans", "Harold", "Harriet",
    "Hartmut", "Haruka", "Hasan", "Hassan", "Hatice", "Heather", "Heidi", "Heike", "Heikki",
    "Heinrich", "Heinz", "Helen", "Helena", "Helga", "Helmut", "Hendrik", "Henk", "Henrik",
    "Henrique", "Henry", "Henryk", "Hermann", "Hernán", "Hervé", "Hilary", "Hildegard", "Hiroshi",
    "Holger", "Horst", "Hubert", "Hugh", "Hugo", "Hussein", "Håkan", "Héctor", "Hélder", "Hélène",
    "Hüseyin", "Ian", "Ibrahim", "Ignacio", "Igor", "Ilaria", "Ildikó", "Ilse", "Imogen", "Inge",
    "Inger", "Ingo", "Ingrid", "Inmaculada", "Inès", "Inês", "Ioana", "Irena", "Irene", "Irina",
    "Irmgard", "Isaac", "Isabel", "Isabella", "Isabelle", "Isla", "István", "Ivan", "Ivana", "Iván",
    "Iwona", "Jaap", "Jacek", "Jacob", "Jacobus", "Jacqueline", "Jacques", "Jadwiga", "Jaime",
    "Jake", "Jakub", "Jamal", "James", "Jan", "Jana", "Janet", "Janice", "Janina", "Jannik",
    "Janusz", "Jarosław", "Jason", "Javier", "Jean", "Jeanne", "Jeff", "Jeffrey", "Jelena", "Jenna",
    "Jennifer", "Jenny", "Jens", "Jeremy", "Jeroen", "Jerry", "Jerzy", "Jesse", "Jessica", "Jessie",
    "Jesús", "Jim", "Jiří", "Joachim", "Joan", "Joana", "Joanna", "Joanne", "Joaquim", "Joaquín",
    "Jochen", "Joe", "Johan", "Johann", "Johanna", "Johannes", "John", "Johnny", "Jolanda",
    "Jolanta", "Jonas", "Jonathan", "Joost", "Jorge", "Joris", "Josefa", "Joseph", "Josh", "Joshua",
    "Josiane", "José", "Joyce", "João", "Joël", "Juan", "Juana", "Judith", "Judy", "Juhani",
    "Jukka", "Julia", "Juliana", "Julie", "Julien", "Juliette", "Julio", "Justin", "Justyna",
    "Jutta", "Jérôme", "Jéssica", "Józef", "Jörg", "Jørgen", "Jürgen", "Kaarina", "Kacper", "Kai",
    "Kamil", "Karen", "Kari", "Karim", "Karin", "Karl", "Karla", "Karolina", "Karthik", "Kasper",
    "Katalin", "Katarzyna", "Kate", "Katerina", "Katharina", "Katherine", "Kathleen", "Kathryn",
    "Katie", "Katja", "Katrin", "Kavita", "Kayla", "Kazimierz", "Kazuko", "Kees", "Keiko", "Keith",
    "Kelly", "Ken", "Kenji", "Kenneth", "Kerstin", "Kevin", "Khadija", "Khalid", "Kim", "Kimberly",
    "Kinga", "Kirsten", "Kjell", "Klaus", "Knut", "Koen", "Konrad", "Kostas", "Krystyna",
    "Krzysztof", "Kurt", "Kyle", "Kåre", "Kévin", "Laetitia", "Lakshmi", "Larisa", "Larissa",
    "Larry", "Lars", "Laura", "Laure", "Lauren", "Laurent", "Lawrence", "Layla", "Leandro",
    "Leanne", "Leila", "Lena", "Lenka", "Leo", "Leon", "Leonardo", "Leonie", "Leonor", "Leszek",
    "Leticia", "Letícia", "Liam", "Lieke", "Lieselotte", "Linda", "Lindsay", "Lionel", "Lisa",
    "Liz", "Logan", "Lone", "Lorena", "Lorenzo", "Lori", "Lothar", "Lotte", "Louis", "Louise",
    "Lourdes", "Loïc", "Luana", "Luca", "Lucas", "Lucia", "Luciano", "Lucio", "Lucy", "Lucía",
    "Ludmila", "Ludovica", "Ludwig", "Luigi", "Luis", "Luise", "Lukas", "Lurdes", "Luís", "Luísa",
    "Lynn", "László", "Léa", "Maaike", "Maarten", "Maciej", "Madalena", "Mads", "Magdalena",
    "Maggie", "Magnus", "Mahmoud", "Makoto", "Malcolm", "Mandy", "Manfred", "Manoj", "Manon",
    "Manuel", "Manuela", "Marcel", "Marcelo", "Marcin", "Marco", "Marcos", "Mareike", "Marek",
    "Margaret", "Margareta", "Margarete", "Margarida", "Margarita", "Margaux", "Margot", "Maria",
    "Marian", "Mariana", "Marie", "Marieke", "Marijke", "Marilyn", "Mario", "Marion", "Mariusz",
    "Markus", "Marlene", "Marloes", "Marta", "Martha", "Martijn", "Martina", "Martine", "Martín",
    "Mary", "Maryam", "María", "Massimo", "Mateo", "Mateusz", "Mathieu", "Mathilde", "Mathis",
    "Matilde", "Matt", "Matteo", "Matthew", "Matthias", "Matti", "Mattias", "Matías", "Maureen",
    "Mauricio", "Maurizio", "Maxime", "Maximilian", "Małgorzata", "Meera", "Meg", "Megan", "Mehmet",
    "Melanie", "Melissa", "Menno", "Merve", "Meryem", "Mette", "Mia", "Michael", "Michał", "Michel",
    "Michele", "Michelle", "Michiko", "Mickaël", "Mieczysław", "Mieke", "Miguel", "Mihai", "Mikael",
    "Mike", "Mikhail", "Mikkel", "Mikko", "Milica", "Miloš", "Minna", "Mireille", "Miriam",
    "Mirosław", "Mohamed", "Mohammed", "Moira", "Molly", "Monica", "Monika", "Monique",
    "Montserrat", "Moritz", "Muhammad", "Murat", "Murilo", "Mustafa", "Mustapha", "Márcio",
    "Mélanie", "Mónica", "Nabil", "Nadezhda", "Nadine", "Nadège", "Nancy", "Naoko", "Naomi",
    "Natalia", "Natalie", "Natalya", "Natasha", "Nathalie", "Nathan", "Neha", "Neil", "Niall",
    "Nicholas", "Nick", "Nicola", "Nicolas", "Nicole", "Nicolás", "Niels", "Nienke", "Nigel",
    "Niklas", "Nikola", "Nikolai", "Nikos", "Nils", "Nina", "Nisha", "Noah", "Noelia", "Noemi",
    "Norbert", "Norma", "Noura", "Nuno", "Nuria", "Océane", "Odile", "Oksana", "Olaf", "Ole",
    "Oleg", "Olga", "Oliver", "Olivia", "Olivier", "Oliwia", "Omar", "Ondřej", "Oscar", "Osman",
    "Otto", "Otávio", "Owen", "Pablo", "Pam", "Pamela", "Paola", "Paolo", "Pascal", "Patrice",
    "Patricia", "Patrick", "Patrycja", "Patryk", "Paul", "Paulina", "Pauline", "Paulo", "Pavel",
    "Paweł", "Pedro", "Peggy", "Pekka", "Per", "Peter", "Petr", "Petra", "Petrus", "Phil", "Philip",
    "Philipp", "Philippa", "Philippe", "Phoebe", "Pierre", "Piet", "Pieter", "Pietro", "Piotr",
    "Pooja", "Priscila", "Priya", "Przemysław", "Päivi", "Péter", "Quentin", "Rachel", "Rachele",
    "Radek", "Radosław", "Rafael", "Rafał", "Raffaele", "Raffaella", "Ragnhild", "Rahul", "Rainer",
    "Rajesh", "Rakesh", "Ralf", "Ralph", "Ramesh", "Ramón", "Randy", "Raquel", "Rashid", "Rasmus",
    "Raymond", "Raúl", "Rebecca", "Regina", "Reinhard", "Renata", "Renate", "Renato", "Renske",
    "René", "Rhys", "Ricardo", "Riccardo", "Richard", "Rita", "Ritu", "Robert", "Roberta",
    "Roberto", "Robin", "Rocío", "Rodrigo", "Roger", "Rogério", "Rohan", "Rohit", "Rolf", "Romain",
    "Ron", "Ronald", "Rosa", "Rosemarie", "Roy", "Ruben", "Rubén", "Rui", "Russell", "Rutger",
    "Ruth", "Ryan", "Ryszard", "Rémi", "Rüdiger", "Sabine", "Sabrina", "Sakura", "Sally", "Salma",
    "Salvatore", "Sam", "Samantha", "Samir", "Samuel", "Sander", "Sandra", "Sandrine", "Sanjay",
    "Sanne", "Sara", "Sarah", "Saskia", "Satoshi", "Scott", "Sean", "Sebastian", "Serena", "Serge",
    "Sergei", "Sergey", "Sergio", "Serkan", "Sharon", "Sheila", "Shirley", "Shreya", "Siegfried",
    "Sigrid", "Silke", "Silvia", "Simon", "Simona", "Simone", "Sjoerd", "Sneha", "Snežana", "Sofia",
    "Sofía", "Solveig", "Solène", "Sonia", "Sonja", "Sophia", "Sophie", "Stanisław", "Stanisława",
    "Stefan", "Stefania", "Stefanie", "Stefano", "Steffi", "Stella", "Stephanie", "Stephen",
    "Steve", "Steven", "Stig", "Stuart", "Stéphane", "Stéphanie", "Sunil", "Sunita", "Suresh",
    "Susan", "Susana", "Susanne", "Suzanne", "Svein", "Sven", "Svenja", "Svetlana", "Swati",
    "Sylvain", "Sylvie", "Sylwia", "Szymon", "Sébastien", "Séverine", "Søren", "Sławomir",
    "Tadeusz", "Takashi", "Takeshi", "Tammy", "Tamás", "Tanja", "Tara", "Tariq", "Tatiana",
    "Tatyana", "Teresa", "Terry", "Tessa", "Teun", "Thaís", "Theo", "Thiago", "Thibault", "Thierry",
    "Thijs", "Thomas", "Thorsten", "Thérèse", "Tiago", "Tiffany", "Tim", "Timo", "Timothy", "Tina",
    "Tineke", "Tobias", "Toby", "Tom", "Tomasz", "Tommaso", "Tomás", "Tomáš", "Tony", "Torsten",
    "Tracy", "Trevor", "Tristan", "Truus", "Turid", "Tuula", "Ulla", "Ulrich", "Ulrike", "Ursula",
    "Urszula", "Ute", "Uwe", "Valentin", "Valentina", "Valérie", "Vanessa", "Vasco", "Vasile",
    "Vera", "Veronika", "Verónica", "Vicente", "Vicki", "Vicky", "Vijay", "Vikram", "Viktor",
    "Ville", "Vincent", "Vincenzo", "Virginie", "Viviane", "Vladimir", "Vladislav", "Volker",
    "Václav", "Véronique", "Víctor", "Vítor", "Wagner", "Waldemar", "Walter", "Waltraud", "Wanda",
    "Wendy", "Werner", "Weronika", "Wiesław", "Wiktoria", "Wilhelm", "Wilhelmina", "Willem",
    "Willemijn", "William", "Willie", "Wim", "Winfried", "Wojciech", "Wolfgang", "Wouter",
    "Władysław", "Włodzimierz", "Xavier", "Ximena", "Yann", "Yannis", "Yasmin", "Yasmine", "Yoko",
    "Yolanda", "Yousef", "Youssef", "Yuki", "Yulia", "Yuri", "Yusuf", "Yves", "Yvette", "Yvonne",
    "Zachary", "Zainab", "Zbigniew", "Zdeněk", "Zdzisław", "Zeynep", "Zoe", "Zofia", "Zoltán",
    "Zoran", "Zsuzsanna", "Zuzanna", "Zygmunt", "Álvaro", "Ángel", "Ángela", "Ángeles", "Élodie",
    "Émile", "Émilie", "Éric", "Étienne", "Óscar", "Ömer", "Øyvind", "İbrahim", "Łukasz", "Şerife",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_stand_in_the_order_in_which_they_are_searched() {
        assert!(FIRST_NAMES.is_sorted_by(|one, next| one.as_bytes() < next.as_bytes()));
        let longest = FIRST_NAMES.iter().map(|name| name.len()).max();
        assert_eq!(longest, Some(LONGEST));
    }

    #[test]
    fn a_name_is_known_with_its_capital_and_by_its_first_part() {
        for name in ["Anna", "Zoe", "Łukasz", "Hans-Peter", "Anne-Marie"] {
            assert!(is_first_name(name.as_bytes()), "{name}");
        }
        for word in ["anna", "ANNA", "Annapolis", "Will", "Paris", "", "-Anna"] {
            assert!(!is_first_name(word.as_bytes()), "{word}");
        }
    }
}
