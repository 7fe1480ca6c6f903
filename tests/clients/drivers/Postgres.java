import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * Asks through JDBC, and prints the answers, one line each.
 *
 * <p>java -cp postgresql.jar Postgres.java HOST PORT USER DATABASE (the password in PGPASSWORD)
 */
public class Postgres {
  interface Ask {
    Object answer() throws Exception;
  }

  static void tell(String name, Ask ask) {
    Object answer;
    try {
      answer = ask.answer();
    } catch (SQLException error) {
      answer = "error " + error.getSQLState();
    } catch (Exception error) {
      answer = "error " + error;
    }
    System.out.println(name + ": " + answer);
  }

  static List<List<Object>> rows(ResultSet results) throws SQLException {
    List<List<Object>> rows = new ArrayList<>();
    ResultSetMetaData about = results.getMetaData();
    while (results.next()) {
      List<Object> row = new ArrayList<>();
      for (int i = 1; i <= about.getColumnCount(); i++) {
        row.add(results.getObject(i));
      }
      rows.add(row);
    }
    return rows;
  }

  static List<String> columns(ResultSet results, String... names) throws SQLException {
    List<String> rows = new ArrayList<>();
    while (results.next()) {
      List<String> row = new ArrayList<>();
      for (String name : names) {
        row.add(results.getString(name));
      }
      rows.add(String.join("|", row.stream().map(String::valueOf).toList()));
    }
    return rows;
  }

  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[3];
    Properties options = new Properties();
    options.setProperty("user", arguments[2]);
    options.setProperty("password", System.getenv("PGPASSWORD"));
    try (Connection connection = DriverManager.getConnection(url, options)) {
      DatabaseMetaData about = connection.getMetaData();
      tell("product", () -> about.getDatabaseProductName());
      tell("rows", () -> rows(connection.createStatement().executeQuery("SELECT * FROM drivers.items ORDER BY id")));
      tell("types", () -> {
        ResultSetMetaData columns = connection.createStatement().executeQuery("SELECT * FROM drivers.items").getMetaData();
        List<String> types = new ArrayList<>();
        for (int i = 1; i <= columns.getColumnCount(); i++) {
          types.add(columns.getColumnName(i) + " " + columns.getColumnTypeName(i) + " " + columns.getPrecision(i));
        }
        return types;
      });
      // From the fifth run on the driver prepares on the server, and asks for binary.
      tell("prepared", () -> {
        List<Object> found = new ArrayList<>();
        try (PreparedStatement statement = connection.prepareStatement(
            "SELECT name, price, at, ok FROM drivers.items WHERE id = ? AND (name = ? OR ? IS NULL)")) {
          for (int run = 0; run < 8; run++) {
            statement.setLong(1, run % 3 + 1);
            statement.setString(2, run % 2 == 0 ? "a" : "b");
            statement.setString(3, null);
            found.add(rows(statement.executeQuery()));
          }
        }
        return found;
      });
      tell("parameters", () -> {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int4 + 1, ?::text, ?::date, ?::numeric, ?::boolean")) {
          statement.setInt(1, 41);
          statement.setString(2, "ü");
          statement.setDate(3, java.sql.Date.valueOf("2024-02-29"));
          statement.setBigDecimal(4, new java.math.BigDecimal("12.50"));
          statement.setBoolean(5, true);
          return rows(statement.executeQuery());
        }
      });
      tell("fetch size", () -> {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
          statement.setFetchSize(2);
          return rows(statement.executeQuery("SELECT id FROM drivers.items ORDER BY id"));
        } finally {
          connection.commit();
          connection.setAutoCommit(true);
        }
      });
      tell("max rows", () -> {
        try (Statement statement = connection.createStatement()) {
          statement.setMaxRows(1);
          return rows(statement.executeQuery("SELECT id FROM drivers.items ORDER BY id"));
        }
      });
      tell("error", () -> rows(connection.createStatement().executeQuery("SELECT nope FROM drivers.items")));
      tell("catalogs", () -> columns(about.getCatalogs(), "TABLE_CAT"));
      tell("tables", () -> columns(about.getTables(null, "drivers", "%", new String[] {"TABLE", "VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"));
      tell("columns", () -> columns(about.getColumns(null, "drivers", "items", "%"), "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "ORDINAL_POSITION"));
      tell("primary keys", () -> columns(about.getPrimaryKeys(null, "drivers", "items"), "COLUMN_NAME"));
      tell("indexes", () -> columns(about.getIndexInfo(null, "drivers", "items", false, true), "INDEX_NAME"));
      tell("imported keys", () -> columns(about.getImportedKeys(null, "drivers", "items"), "FKCOLUMN_NAME"));
      tell("schema", () -> columns(about.getSchemas(null, "drivers"), "TABLE_SCHEM"));
      tell("valid", () -> connection.isValid(5));
      tell("timeout", () -> {
        try (Statement statement = connection.createStatement()) {
          statement.setQueryTimeout(1);
          return rows(statement.executeQuery(
              "SELECT count(*) FROM generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y)"));
        }
      });
      tell("after timeout", () -> rows(connection.createStatement().executeQuery("SELECT 1")));
    }
  }
}
